package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/graph-gophers/dataloader/v7"

	"github.com/driftgraph/driftgraph/bench/probe"
)

// The variants of our own. Each runs as a process of its own, as the gateway
// does, and answers every request with the inbox.
const (
	naive       = "naive"
	withLoaders = "dataloader"
	handWritten = "hand-written"
)

// Environment of such a process.
const (
	variantKey = "BENCH_VARIANT" // which of them it is
	driftKey   = "BENCH_DRIFT"   // where Drift is
)

// elapsed is the header in which a variant says how long the answer took it, so
// that a client need not be charged with the hop to a gateway that it lacks.
const elapsed = "Bench-Elapsed"

// serveVariant runs the variant until the process is killed.
func serveVariant(name string) error {
	probe.Serve()
	drift := newClient(os.Getenv(driftKey))
	read, ok := map[string]func(context.Context) (*inbox, error){
		naive:       func(ctx context.Context) (*inbox, error) { return resolve(ctx, single(drift)) },
		withLoaders: func(ctx context.Context) (*inbox, error) { return resolve(ctx, batched(drift)) },
		handWritten: func(ctx context.Context) (*inbox, error) { return byHand(ctx, drift) },
	}[name]
	if !ok {
		return fmt.Errorf("there is no variant %q", name)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("GraphQL http://%s/graphql\n", listener.Addr())
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		found, err := read(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		body, err := json.Marshal(reply{Data: found})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set(elapsed, time.Since(start).String())
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	})}
	return server.Serve(listener)
}

// A reply is the answer to the inbox query, in the order of its fields.
type reply struct {
	Data *inbox `json:"data"`
}

type inbox struct {
	Conversations struct {
		Nodes    []conversationNode `json:"nodes"`
		PageInfo struct {
			HasNextPage bool    `json:"hasNextPage"`
			EndCursor   *string `json:"endCursor"`
		} `json:"pageInfo"`
	} `json:"conversations"`
}

type conversationNode struct {
	Status       string            `json:"status"`
	UpdatedAt    string            `json:"updatedAt"`
	Contact      *contactNode      `json:"contact"`
	Participants []participantNode `json:"participants"`
	Messages     struct {
		Nodes []messageNode `json:"nodes"`
	} `json:"messages"`
}

type contactNode struct {
	Name    *string      `json:"name"`
	Email   *string      `json:"email"`
	Account *accountNode `json:"account"`
}

type accountNode struct {
	Name  *string    `json:"name"`
	Owner *ownerNode `json:"owner"`
}

type ownerNode struct {
	Name *string `json:"name"`
}

type participantNode struct {
	Name         *string `json:"name"`
	Availability string  `json:"availability"`
	IsBot        bool    `json:"isBot"`
}

type messageNode struct {
	Body      *string     `json:"body"`
	CreatedAt string      `json:"createdAt"`
	Author    *authorNode `json:"author"`
}

type authorNode struct {
	Type  string  `json:"__typename"`
	Name  *string `json:"name"`
	IsBot *bool   `json:"isBot,omitzero"` // of users
}

// messagesShown is how many messages of a conversation the inbox shows.
const messagesShown = 5

// newInbox returns an inbox of the page, to be filled in. Its end cursor is
// Drift's own.
func newInbox(page *conversationPage) *inbox {
	in := new(inbox)
	list := &in.Conversations
	list.Nodes = make([]conversationNode, len(page.Data))
	for i, row := range page.Data {
		list.Nodes[i] = conversationNode{Status: strings.ToUpper(row.Status), UpdatedAt: dateTime(row.UpdatedAt)}
	}
	list.PageInfo.HasNextPage = page.Links.Next != nil
	list.PageInfo.EndCursor = page.Links.Next
	return in
}

func dateTime(millis int64) string {
	return time.UnixMilli(millis).UTC().Format("2006-01-02T15:04:05.000Z")
}

func participant(u *user) participantNode {
	availability := strings.ToUpper(u.Availability)
	if availability == "ONLINE" {
		availability = "AVAILABLE"
	}
	return participantNode{u.Name, availability, u.Bot}
}

func owner(u *user) *ownerNode {
	if u == nil {
		return nil
	}
	return &ownerNode{u.Name}
}

func contactAuthor(c *contact) *authorNode {
	if c == nil {
		return nil
	}
	return &authorNode{Type: "Contact", Name: c.Attributes.Name}
}

func userAuthor(u *user) *authorNode {
	if u == nil {
		return nil
	}
	return &authorNode{Type: "User", Name: u.Name, IsBot: &u.Bot}
}

// A source is how plain resolvers read records. What is not there is nil.
type source struct {
	conversations func(context.Context) (*conversationPage, error)
	conversation  func(context.Context, int64) (*conversation, error)
	contact       func(context.Context, int64) (*contact, error)
	user          func(context.Context, int64) (*user, error)
	account       func(context.Context, string) (*account, error) // by domain
	messages      func(context.Context, int64) ([]*message, error)
}

// single reads every record by a call of its own each time it is asked for.
func single(c *client) source {
	return source{
		conversations: c.conversations,
		conversation:  c.conversation,
		contact:       c.contact,
		user:          c.user,
		messages:      c.messages,
		account: func(ctx context.Context, domain string) (found *account, err error) {
			err = c.accounts(ctx, func(page []*account) bool {
				for _, a := range page {
					if normal(a.Domain) == domain {
						found = a
					}
				}
				return found == nil
			})
			return found, err
		},
	}
}

// batched reads through a loader for each kind, made for one operation, with
// the loaders' defaults. A batch gets its keys by a call for each, at once; for
// accounts, which cannot be got by domain, it walks their list.
func batched(c *client) source {
	s := single(c)
	s.conversation = loader(each(s.conversation))
	s.contact = loader(each(s.contact))
	s.user = loader(each(s.user))
	s.messages = loader(each(s.messages))
	s.account = loader(func(ctx context.Context, domains []string) []*dataloader.Result[*account] {
		found := make(map[string]*account)
		err := c.accounts(ctx, func(page []*account) bool {
			for _, a := range page {
				found[normal(a.Domain)] = a
			}
			return true
		})
		results := make([]*dataloader.Result[*account], len(domains))
		for i, domain := range domains {
			results[i] = &dataloader.Result[*account]{Data: found[domain], Error: err}
		}
		return results
	})
	return s
}

func loader[K comparable, V any](batch dataloader.BatchFunc[K, V]) func(context.Context, K) (V, error) {
	l := dataloader.NewBatchedLoader(batch)
	return func(ctx context.Context, key K) (V, error) { return l.Load(ctx, key)() }
}

func each[K comparable, V any](get func(context.Context, K) (V, error)) dataloader.BatchFunc[K, V] {
	return func(ctx context.Context, keys []K) []*dataloader.Result[V] {
		results := make([]*dataloader.Result[V], len(keys))
		var calls sync.WaitGroup
		for i, key := range keys {
			calls.Go(func() {
				v, err := get(ctx, key)
				results[i] = &dataloader.Result[V]{Data: v, Error: err}
			})
		}
		calls.Wait()
		return results
	}
}

// resolve answers the inbox as resolvers do that know nothing of one another:
// each field that leads to a record asks for it, siblings at the same time.
func resolve(ctx context.Context, s source) (*inbox, error) {
	page, err := s.conversations(ctx)
	if err != nil {
		return nil, err
	}
	in := newInbox(page)
	var fields group
	for i, row := range page.Data {
		n := &in.Conversations.Nodes[i]
		fields.Go(func() (err error) {
			n.Contact, err = resolveContact(ctx, s, row.ContactID)
			return err
		})
		fields.Go(func() (err error) {
			n.Participants, err = resolveParticipants(ctx, s, row.ID)
			return err
		})
		fields.Go(func() (err error) {
			n.Messages.Nodes, err = resolveMessages(ctx, s, row.ID)
			return err
		})
	}
	return in, fields.Wait()
}

func resolveContact(ctx context.Context, s source, id int64) (*contactNode, error) {
	if id == 0 {
		return nil, nil
	}
	c, err := s.contact(ctx, id)
	if c == nil || err != nil {
		return nil, err
	}
	n := &contactNode{Name: c.Attributes.Name, Email: c.Attributes.Email}
	for _, domain := range c.domains() {
		a, err := s.account(ctx, domain)
		if err != nil {
			return nil, err
		}
		if a == nil {
			continue
		}
		u, err := s.user(ctx, a.OwnerID)
		n.Account = &accountNode{a.Name, owner(u)}
		return n, err
	}
	return n, nil
}

func resolveParticipants(ctx context.Context, s source, id int64) ([]participantNode, error) {
	c, err := s.conversation(ctx, id)
	if c == nil || err != nil {
		return nil, err
	}
	users := make([]*user, len(c.Participants))
	var elements group
	for i, id := range c.Participants {
		elements.Go(func() (err error) {
			users[i], err = s.user(ctx, id)
			return err
		})
	}
	if err := elements.Wait(); err != nil {
		return nil, err
	}
	nodes := make([]participantNode, 0, len(users))
	for _, u := range users {
		if u != nil {
			nodes = append(nodes, participant(u))
		}
	}
	return nodes, nil
}

func resolveMessages(ctx context.Context, s source, id int64) ([]messageNode, error) {
	messages, err := s.messages(ctx, id)
	if err != nil {
		return nil, err
	}
	messages = messages[:min(len(messages), messagesShown)]
	nodes := make([]messageNode, len(messages))
	var elements group
	for i, m := range messages {
		nodes[i] = messageNode{Body: m.Body, CreatedAt: dateTime(m.CreatedAt)}
		elements.Go(func() error {
			if m.Author.Type == "contact" {
				c, err := s.contact(ctx, m.Author.ID)
				nodes[i].Author = contactAuthor(c)
				return err
			}
			u, err := s.user(ctx, m.Author.ID)
			nodes[i].Author = userAuthor(u)
			return err
		})
	}
	return nodes, elements.Wait()
}

// byHand answers the inbox as the best client written for it alone would: it
// makes the gateway's calls, each as early as can be, and nothing else.
func byHand(ctx context.Context, c *client) (*inbox, error) {
	var (
		calls    group
		users    = make(map[int64]*user)
		accounts = make(map[string]*account)
		mu       sync.Mutex // guards contacts
		contacts = make(map[int64]*contact)
		whole    []*conversation
		messages [][]*message
	)
	calls.Go(func() error {
		list, err := c.users(ctx)
		for _, u := range list {
			users[u.ID] = u
		}
		return err
	})
	calls.Go(func() error {
		return c.accounts(ctx, func(page []*account) bool {
			for _, a := range page {
				accounts[normal(a.Domain)] = a
			}
			return true
		})
	})
	needContact := func(id int64) {
		mu.Lock()
		defer mu.Unlock()
		if _, asked := contacts[id]; asked || id == 0 {
			return
		}
		contacts[id] = nil
		calls.Go(func() error {
			found, err := c.contact(ctx, id)
			mu.Lock()
			defer mu.Unlock()
			contacts[id] = found
			return err
		})
	}
	page, err := c.conversations(ctx)
	if err != nil {
		return nil, err
	}
	whole, messages = make([]*conversation, len(page.Data)), make([][]*message, len(page.Data))
	for i, row := range page.Data {
		calls.Go(func() (err error) {
			whole[i], err = c.conversation(ctx, row.ID)
			return err
		})
		calls.Go(func() error {
			found, err := c.messages(ctx, row.ID)
			messages[i] = found[:min(len(found), messagesShown)]
			for _, m := range messages[i] {
				if m.Author.Type == "contact" {
					needContact(m.Author.ID)
				}
			}
			return err
		})
		needContact(row.ContactID)
	}
	if err := calls.Wait(); err != nil {
		return nil, err
	}

	in := newInbox(page)
	for i, row := range page.Data {
		n := &in.Conversations.Nodes[i]
		if found := contacts[row.ContactID]; found != nil {
			n.Contact = &contactNode{Name: found.Attributes.Name, Email: found.Attributes.Email}
			for _, domain := range found.domains() {
				if a := accounts[domain]; a != nil {
					n.Contact.Account = &accountNode{a.Name, owner(users[a.OwnerID])}
					break
				}
			}
		}
		if whole[i] != nil {
			for _, id := range whole[i].Participants {
				if u := users[id]; u != nil {
					n.Participants = append(n.Participants, participant(u))
				}
			}
		}
		n.Messages.Nodes = make([]messageNode, len(messages[i]))
		for j, m := range messages[i] {
			n.Messages.Nodes[j] = messageNode{Body: m.Body, CreatedAt: dateTime(m.CreatedAt)}
			if m.Author.Type == "contact" {
				n.Messages.Nodes[j].Author = contactAuthor(contacts[m.Author.ID])
			} else {
				n.Messages.Nodes[j].Author = userAuthor(users[m.Author.ID])
			}
		}
	}
	return in, nil
}

// A group is tasks that run at the same time. It keeps their first error. A
// task may start others.
type group struct {
	tasks sync.WaitGroup
	first sync.Once
	err   error
}

func (g *group) Go(task func() error) {
	g.tasks.Go(func() {
		if err := task(); err != nil {
			g.first.Do(func() { g.err = err })
		}
	})
}

func (g *group) Wait() error {
	g.tasks.Wait()
	return g.err
}
