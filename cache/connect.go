package cache

import (
	"cmp"
	"errors"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// stepTimeout bounds each step of a call to Redis: to wait for a connection,
// to make one, to send and to receive. A cache is no use if asking it takes as
// long as asking the source.
const stepTimeout = 100 * time.Millisecond

// errURL says what ConnectRedis takes. It quotes nothing, since what is
// mistyped in a URL may be a part of the password.
var errURL = errors.New("cache: not the URL of a Redis; it takes redis://[user:password@]host[:port][/database], " +
	"rediss://… for TLS, unix://[user:password@]/path/of/socket, host[:port],host[:port],… without a database for a cluster, " +
	"or redis-sentinel://[user:password@]host[:port],…/master[/database] of sentinels; " +
	"signs other than letters and digits in the password are written %XX")

// ConnectRedis returns a client for Options.Redis that gives up within 100 ms
// at each step, and does not try again, but in a cluster to find a key that has
// moved. It connects when it is first used, so the server may be down.
//
// Its error names the URLs that it takes, and holds nothing of the one given. A
// cluster of which one host is known is that host twice. Options as go-redis
// has them may follow a question mark, such as ?pool_size=20; what the sentinels
// themselves ask for is sentinel_username and sentinel_password.
//
// It turns off go-redis's own log in the whole process, which tells of every
// connection that fails; a Cache tells when that begins and ends.
func ConnectRedis(address string) (redis.UniversalClient, error) {
	logging.Disable()
	u, err := parseURL(address)
	if err != nil {
		return nil, errURL
	}
	if scheme, ok := strings.CutSuffix(u.Scheme, sentinelSuffix); ok {
		return connectSentinel(scheme, u)
	}
	if u.Query().Has("addr") {
		return connectCluster(u)
	}
	o, err := redis.ParseURL(u.String())
	if err != nil {
		return nil, errURL
	}
	o.DialTimeout = cmp.Or(o.DialTimeout, stepTimeout)
	o.ReadTimeout = cmp.Or(o.ReadTimeout, stepTimeout)
	o.WriteTimeout = cmp.Or(o.WriteTimeout, stepTimeout)
	o.PoolTimeout = cmp.Or(o.PoolTimeout, stepTimeout)
	o.MaxRetries = cmp.Or(o.MaxRetries, -1)
	o.DialerRetries = 1
	o.ContextTimeoutEnabled = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClient(o), nil
}

func connectCluster(u *url.URL) (redis.UniversalClient, error) {
	o, err := redis.ParseClusterURL(u.String())
	if err != nil || strings.Trim(u.Path, "/") != "" {
		return nil, errURL
	}
	o.DialTimeout = cmp.Or(o.DialTimeout, stepTimeout)
	o.ReadTimeout = cmp.Or(o.ReadTimeout, stepTimeout)
	o.WriteTimeout = cmp.Or(o.WriteTimeout, stepTimeout)
	o.PoolTimeout = cmp.Or(o.PoolTimeout, stepTimeout)
	o.DialerRetries = cmp.Or(o.DialerRetries, 1)
	o.ContextTimeoutEnabled = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClusterClient(o), nil
}

// sentinelSuffix ends the scheme of a URL whose hosts are sentinels.
const sentinelSuffix = "-sentinel"

// connectSentinel returns a client of the master that sentinels name. The scheme
// is that by which both are spoken to.
func connectSentinel(scheme string, u *url.URL) (redis.UniversalClient, error) {
	master, database, _ := strings.Cut(strings.Trim(u.Path, "/"), "/")
	options := u.Query()
	if master == "" || options.Has("master_name") || options.Has("db") || options.Has("username") || options.Has("password") {
		return nil, errURL
	}
	// go-redis takes the user of the sentinels where the user of Redis stands in ours.
	sentinel := url.UserPassword(options.Get("sentinel_username"), options.Get("sentinel_password"))
	options.Del("sentinel_username")
	options.Del("sentinel_password")
	options.Set("master_name", master)
	options.Set("username", u.User.Username())
	password, _ := u.User.Password()
	options.Set("password", password)
	theirs := url.URL{Scheme: scheme, User: sentinel, Host: net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), sentinelPort)), Path: "/" + database, RawQuery: options.Encode()}
	o, err := redis.ParseFailoverURL(theirs.String())
	if err != nil {
		return nil, errURL
	}
	if o.TLSConfig != nil {
		o.TLSConfig.ServerName = "" // each host has a certificate of its own
	}
	o.DialTimeout = cmp.Or(o.DialTimeout, stepTimeout)
	o.ReadTimeout = cmp.Or(o.ReadTimeout, stepTimeout)
	o.WriteTimeout = cmp.Or(o.WriteTimeout, stepTimeout)
	o.PoolTimeout = cmp.Or(o.PoolTimeout, stepTimeout)
	o.MaxRetries = cmp.Or(o.MaxRetries, -1)
	o.DialerRetries = cmp.Or(o.DialerRetries, 1)
	o.ContextTimeoutEnabled = true
	return redis.NewFailoverClient(o), nil
}

// The ports of hosts whose URL tells none.
const (
	redisPort    = "6379"
	sentinelPort = "26379"
)

// parseURL parses a URL that may have several hosts, as net/url does not. Those
// after the first become options named addr, which is how go-redis takes them.
func parseURL(s string) (*url.URL, error) {
	scheme, rest, _ := strings.Cut(s, "://")
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	at := strings.LastIndexByte(authority, '@') + 1
	hosts := strings.Split(authority[at:], ",")
	u, err := url.Parse(scheme + "://" + authority[:at] + hosts[0] + tail)
	if err != nil {
		return nil, err
	}
	port := redisPort
	if strings.HasSuffix(scheme, sentinelSuffix) {
		port = sentinelPort
	}
	options := u.Query()
	for _, host := range hosts[1:] {
		other, err := url.Parse(scheme + "://" + host)
		if err != nil {
			return nil, err
		}
		options.Add("addr", net.JoinHostPort(other.Hostname(), cmp.Or(other.Port(), port)))
	}
	u.RawQuery = options.Encode()
	return u, nil
}
