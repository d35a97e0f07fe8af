package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
)

// token is what the gateway and the variants call the sandbox with.
const token = "bench"

// concurrency is how many calls to Drift a variant may have under way, as many
// as the gateway's default.
const concurrency = 64

// A client calls Drift. Its types hold no more than the inbox shows, which is
// the least that anybody has to decode.
type client struct {
	base  string
	http  *http.Client
	slots chan struct{}
}

func newClient(base string) *client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, concurrency
	return &client{base: base, http: &http.Client{Transport: t}, slots: make(chan struct{}, concurrency)}
}

// buffers holds buffers for bodies between calls.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

var errAbsent = errors.New("there is no such record")

// get reads what path leads to into v. What is not there is errAbsent.
func (c *client) get(ctx context.Context, path string, v any) error {
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	body := buffers.Get().(*bytes.Buffer)
	body.Reset()
	defer buffers.Put(body)
	err := c.receive(ctx, path, body)
	<-c.slots
	if err != nil {
		return err
	}
	return json.Unmarshal(body.Bytes(), v)
}

func (c *client) receive(ctx context.Context, path string, body *bytes.Buffer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.ContentLength > 0 {
		body.Grow(int(res.ContentLength) + bytes.MinRead)
	}
	if _, err := body.ReadFrom(res.Body); err != nil {
		return err
	}
	switch res.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusNotFound:
		return errAbsent
	}
	return fmt.Errorf("%s: %s", path, res.Status)
}

// record reads the record that path leads to, nil if there is none.
func record[T any](ctx context.Context, c *client, path string) (*T, error) {
	var found struct {
		Data *T `json:"data"`
	}
	err := c.get(ctx, path, &found)
	if errors.Is(err, errAbsent) {
		return nil, nil
	}
	return found.Data, err
}

// A conversation is a row of a list, or the whole, which has participants.
type conversation struct {
	ID           int64   `json:"id"`
	ContactID    int64   `json:"contactId"`
	Status       string  `json:"status"`
	UpdatedAt    int64   `json:"updatedAt"`
	Participants []int64 `json:"participants"`
}

type contact struct {
	ID         int64 `json:"id"`
	Attributes struct {
		Name             *string `json:"name"`
		Email            *string `json:"email"`
		EmploymentDomain string  `json:"employment_domain"`
	} `json:"attributes"`
}

// domains returns the domains that the contact's account may have, the
// likelier one first.
func (c *contact) domains() []string {
	var domains []string
	add := func(domain string) {
		if domain = normal(domain); domain != "" && !freemail[domain] {
			domains = append(domains, domain)
		}
	}
	add(c.Attributes.EmploymentDomain)
	if email := c.Attributes.Email; email != nil {
		_, domain, _ := strings.Cut(*email, "@")
		add(domain)
	}
	return domains
}

// freemail are the domains of the sandbox's contacts that are no company's,
// even where an account has them.
var freemail = map[string]bool{"gmail.com": true, "outlook.com": true, "yahoo.com": true}

func normal(domain string) string { return strings.TrimPrefix(strings.ToLower(domain), "www.") }

type account struct {
	Name    *string `json:"name"`
	Domain  string  `json:"domain"`
	OwnerID int64   `json:"ownerId"`
}

type user struct {
	ID           int64   `json:"id"`
	Name         *string `json:"name"`
	Availability string  `json:"availability"`
	Bot          bool    `json:"bot"`
}

type message struct {
	Body      *string `json:"body"`
	CreatedAt int64   `json:"createdAt"`
	Author    struct {
		ID   int64  `json:"id"`
		Type string `json:"type"`
	} `json:"author"`
}

// A conversationPage is the first page of the list of conversations.
type conversationPage struct {
	Data  []*conversation `json:"data"`
	Links struct {
		Next *string `json:"next"`
	} `json:"links"`
}

func (c *client) conversations(ctx context.Context) (*conversationPage, error) {
	page := new(conversationPage)
	return page, c.get(ctx, "/conversations/list?limit=50", page)
}

func (c *client) conversation(ctx context.Context, id int64) (*conversation, error) {
	return record[conversation](ctx, c, "/conversations/"+strconv.FormatInt(id, 10))
}

func (c *client) contact(ctx context.Context, id int64) (*contact, error) {
	return record[contact](ctx, c, "/contacts/"+strconv.FormatInt(id, 10))
}

func (c *client) user(ctx context.Context, id int64) (*user, error) {
	return record[user](ctx, c, "/users/"+strconv.FormatInt(id, 10))
}

func (c *client) users(ctx context.Context) ([]*user, error) {
	list, err := record[[]*user](ctx, c, "/users/list")
	if list == nil || err != nil {
		return nil, err
	}
	return *list, nil
}

func (c *client) messages(ctx context.Context, conversation int64) ([]*message, error) {
	page, err := record[struct {
		Messages []*message `json:"messages"`
	}](ctx, c, "/conversations/"+strconv.FormatInt(conversation, 10)+"/messages")
	if page == nil || err != nil {
		return nil, err
	}
	return page.Messages, nil
}

// accounts hands over the accounts page by page, until see wants no more.
func (c *client) accounts(ctx context.Context, see func([]*account) (more bool)) error {
	for index := "0"; ; {
		page, err := record[struct {
			Accounts []*account `json:"accounts"`
			Next     string     `json:"next"`
		}](ctx, c, "/accounts?index="+index+"&size=65")
		if err != nil {
			return err
		}
		if page == nil || !see(page.Accounts) || page.Next == "" {
			return nil
		}
		next, err := url.Parse(page.Next)
		if err != nil {
			return err
		}
		index = next.Query().Get("index")
	}
}
