package loaders

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/relay"
)

// A walk reads a list page by page, until it holds what a connection shows.
// The planner and the resolvers both drive it, so they read the same pages.
type walk[K comparable, P any, T any] interface {
	// next returns the page to read now; more is false when none is needed.
	next() (page K, more bool)
	// add takes the page that next named; nil if there is no such list.
	add(page P)
	// most returns how many pages it may take.
	most() int
	// connection returns what was asked for; nil if there is no such list.
	connection() *relay.Connection[T]
}

// mostPages bounds the pages that one field reads: 5,000 messages.
const mostPages = 100

// A PagesError says that more pages of lists would be read than may be, whether
// they are kept or have to be asked of Drift.
type PagesError struct {
	Most  int  // pages that may be read
	Field bool // by the field that it is of; else by the operation
}

// Error says what the limit is, and what to ask for instead.
func (e *PagesError) Error() string {
	if e.Field {
		return fmt.Sprintf("the list has more pages than the %d that a field may read. Ask from the front, by first and after", e.Most)
	}
	return fmt.Sprintf("the operation has read %d pages of lists, which is the most it may read. Ask for less: a smaller first, or messages from the front instead of the last", e.Most)
}

// Read drives a walk to its end. Its error is a *PagesError if that is too far.
func Read[K comparable, P any, T any](pages *Loader[K, P], w walk[K, P, T]) (*relay.Connection[T], error) {
	read := 0
	for key, more := w.next(); more; key, more = w.next() {
		if read++; read > w.most() {
			return nil, &PagesError{Most: w.most(), Field: true}
		}
		page, err := pages.Load(key)
		if err != nil {
			return nil, err
		}
		w.add(page)
	}
	connection := w.connection()
	if connection != nil {
		for _, e := range connection.Edges {
			if err := pages.recorder.hand(e.Node); err != nil {
				return nil, err
			}
		}
	}
	return connection, nil
}

// A ConversationPage names a page of the list of conversations.
type ConversationPage struct {
	Statuses string // the wanted statuses in order, joined by commas; "" for all
	Limit    int    // rows of a page
	Token    string // Drift's page token; "" for the first page
}

// conversationCursor is the kind of cursor of the list of conversations. Its
// parts are those of the ConversationPage, then the row's number on that page
// and its id. A page's last row has the place before the next page's first.
const conversationCursor = "c"

// A ConversationWalk reads the list of conversations.
type ConversationWalk struct {
	first    int
	page     ConversationPage
	row      int      // the row of the first page after which to start
	id       drift.ID // its id; 0 for the front
	previous bool
	edges    []relay.Edge[*drift.Conversation]
	more     bool
	done     bool
}

// Conversations returns a walk over the list of conversations by the arguments
// of Query.conversations.
func Conversations(statuses []drift.ConversationStatus, first *int, after *string) (*ConversationWalk, error) {
	n, err := relay.Size("first", first)
	if err != nil {
		return nil, err
	}
	wanted := make([]string, len(statuses))
	for i, s := range statuses {
		if s != drift.ConversationOpen && s != drift.ConversationClosed && s != drift.ConversationPending {
			return nil, relay.BadInput("status has %s; Drift lists by OPEN, CLOSED and PENDING only", strings.ToUpper(string(s)))
		}
		wanted[i] = string(s)
	}
	slices.Sort(wanted)
	w := &ConversationWalk{
		first: n,
		done:  n == 0,
		row:   -1,
		page:  ConversationPage{Statuses: strings.Join(slices.Compact(wanted), ","), Limit: max(n, 1)},
	}
	if after == nil {
		return w, nil
	}
	c, err := relay.ParseCursor("after", *after, conversationCursor, 5)
	if err != nil {
		return nil, err
	}
	limit, err1 := strconv.Atoi(c[2])
	row, err2 := strconv.Atoi(c[4])
	id, err3 := drift.ParseID(c[5])
	if cmp.Or(err1, err2, err3) != nil || limit < 1 || limit > relay.MaxPage || row < -1 || row >= relay.MaxPage {
		return nil, relay.BadCursor("after")
	}
	if c[1] != w.page.Statuses {
		return nil, relay.BadInput("after is a cursor of a list with another status; a cursor goes with the status it was made with")
	}
	w.page.Limit, w.page.Token = limit, c[3]
	w.row, w.id, w.previous = row, id, true
	return w, nil
}

func (w *ConversationWalk) next() (ConversationPage, bool) { return w.page, !w.done }

func (w *ConversationWalk) add(page *drift.ConversationPage) {
	start := 0
	if w.row >= 0 {
		start = w.row + 1
		for i, c := range page.Conversations {
			if c.ID == w.id { // wherever it has moved to meanwhile
				start = i + 1
			}
		}
	}
	w.row = -1
	for i := start; i < len(page.Conversations); i++ {
		if len(w.edges) == w.first {
			w.more, w.done = true, true
			return
		}
		c := page.Conversations[i]
		place := relay.Cursor{conversationCursor, w.page.Statuses, strconv.Itoa(w.page.Limit), w.page.Token, strconv.Itoa(i), c.ID.String()}
		if i == len(page.Conversations)-1 && page.Next != "" {
			place[3], place[4] = page.Next, "-1"
		}
		w.edges = append(w.edges, relay.Edge[*drift.Conversation]{Node: c, Place: place})
	}
	w.more = page.Next != "" && page.Next != w.page.Token
	w.done = !w.more || len(w.edges) == w.first
	w.page.Token = page.Next
}

func (w *ConversationWalk) most() int { return mostPages }

func (w *ConversationWalk) connection() *relay.Connection[*drift.Conversation] {
	return relay.NewConnection(w.edges, w.previous, w.more)
}

// A MessagePage names a page of the messages of a conversation.
type MessagePage struct {
	Conversation drift.ID
	Marker       string // Drift's marker of the page; "" for the first
}

// messageCursor is the kind of cursor of the messages of a conversation. Its
// parts are the conversation, the marker of the page, the message's number on
// it, and its id.
const messageCursor = "m"

// A MessageWalk reads the messages of a conversation. Drift pages from the
// front only: the last messages take reading to the end, except where those
// before a cursor are all on the cursor's own page.
type MessageWalk struct {
	page     MessagePage
	types    []drift.MessageType
	only     drift.ID // the one message wanted; 0 for any
	first    int      // how many from the front; -1 when the last are wanted
	last     int      // how many from the end
	cursor   *messagePlace
	edges    []relay.Edge[*drift.Message]
	previous bool
	more     bool
	reread   bool // the cursor's own page held too few, so the walk began anew at the front
	absent   bool
	done     bool
}

// A messagePlace is where a message was found.
type messagePlace struct {
	marker string
	row    int
	id     drift.ID
}

// on returns the number of the message on its page, wherever it is now.
func (m *messagePlace) on(page *drift.MessagePage) int {
	for i, msg := range page.Messages {
		if msg.ID == m.id {
			return i
		}
	}
	return m.row
}

// MessageArgs are the arguments of Conversation.messages.
type MessageArgs struct {
	First, Last   *int
	After, Before *string
	Types         []drift.MessageType
}

// Messages returns a walk over the messages of a conversation; of one that is
// not known yet if it is 0, to see what the arguments ask for.
func Messages(conversation drift.ID, args MessageArgs) (*MessageWalk, error) {
	w := &MessageWalk{page: MessagePage{Conversation: conversation}, types: args.Types, first: -1}
	var err error
	switch {
	case args.Last != nil && (args.First != nil || args.After != nil):
		return nil, relay.BadInput("last goes with before alone; use first and after, or last and before")
	case args.Last == nil && args.Before != nil:
		return nil, relay.BadInput("before goes with last; use first and after, or last and before")
	case args.Last != nil:
		if w.last, err = relay.Size("last", args.Last); err != nil {
			return nil, err
		}
		w.done = w.last == 0
		w.cursor, err = parseMessagePlace(conversation, "before", args.Before)
	default:
		if w.first, err = relay.Size("first", args.First); err != nil {
			return nil, err
		}
		w.done = w.first == 0
		w.cursor, err = parseMessagePlace(conversation, "after", args.After)
	}
	if err != nil {
		return nil, err
	}
	if w.cursor != nil {
		w.page.Marker = w.cursor.marker
		w.previous = w.first >= 0
	}
	return w, nil
}

// FindMessage returns a walk over the messages of a conversation that ends at
// the one with the given id.
func FindMessage(conversation, id drift.ID) *MessageWalk {
	return &MessageWalk{page: MessagePage{Conversation: conversation}, only: id, first: 1}
}

func parseMessagePlace(conversation drift.ID, argument string, text *string) (*messagePlace, error) {
	if text == nil {
		return nil, nil
	}
	c, err := relay.ParseCursor(argument, *text, messageCursor, 4)
	if err != nil {
		return nil, err
	}
	row, err := strconv.Atoi(c[3])
	id, err2 := drift.ParseID(c[4])
	if err != nil || err2 != nil || row < 0 || conversation != 0 && c[1] != conversation.String() {
		return nil, relay.BadCursor(argument)
	}
	return &messagePlace{marker: c[2], row: row, id: id}, nil
}

// wants reports whether messages of a type are among those asked for.
func (w *MessageWalk) wants(typ drift.MessageType) bool {
	return len(w.types) == 0 || slices.ContainsFunc(w.types, func(wanted drift.MessageType) bool {
		return fits(typ, wanted, drift.MessageChat, drift.MessagePrivateNote, drift.MessagePrivatePrompt, drift.MessageSuggestion, drift.MessageEdit)
	})
}

func (w *MessageWalk) next() (MessagePage, bool) { return w.page, !w.done }

func (w *MessageWalk) add(page *drift.MessagePage) {
	if page == nil {
		w.absent, w.done = true, true
		return
	}
	start, end, next := 0, len(page.Messages), page.Next
	if next == w.page.Marker {
		next = "" // a page that names itself as the next is the last
	}
	if w.cursor != nil && w.cursor.marker == w.page.Marker {
		if w.first >= 0 {
			start, w.cursor = w.cursor.on(page)+1, nil
		} else {
			end, next = min(w.cursor.on(page), end), ""
		}
	}
	for i := start; i < end; i++ {
		m := page.Messages[i]
		if !w.wants(m.Type) || w.only != 0 && m.ID != w.only {
			continue
		}
		if len(w.edges) == w.first {
			w.more, w.done = true, true
			return
		}
		place := relay.Cursor{messageCursor, w.page.Conversation.String(), w.page.Marker, strconv.Itoa(i), m.ID.String()}
		w.edges = append(w.edges, relay.Edge[*drift.Message]{Node: m, Place: place})
	}
	if w.first >= 0 {
		w.more = next != ""
		w.done = !w.more || len(w.edges) == w.first
		w.page.Marker = next
		return
	}
	if w.cursor != nil && w.cursor.marker == w.page.Marker && w.page.Marker != "" && !w.reread && len(w.edges) < w.last {
		// The cursor's own page was read first, and is not enough: read up to it from the front.
		w.edges, w.page.Marker, w.reread = nil, "", true
		return
	}
	w.done = next == ""
	if !w.done {
		w.page.Marker = next
	}
}

// most leaves it to the operation how far one message is looked for.
func (w *MessageWalk) most() int {
	if w.only != 0 {
		return math.MaxInt
	}
	return mostPages
}

func (w *MessageWalk) connection() *relay.Connection[*drift.Message] {
	if w.absent {
		return nil
	}
	if w.first >= 0 {
		return relay.NewConnection(w.edges, w.previous, w.more)
	}
	cut := max(0, len(w.edges)-w.last)
	return relay.NewConnection(w.edges[cut:], cut > 0 || w.page.Marker != "" && !w.reread && w.cursor != nil, w.cursor != nil)
}

// An AccountPage names a page of the list of accounts.
type AccountPage struct {
	Index int // the rows before it
	Size  int // its rows, at most drift.MaxAccounts
}

// An AccountWalk reads the list of accounts, which pages by offset.
type AccountWalk struct {
	window     relay.Window
	index      int // of the first row of the page to read
	edges      []relay.Edge[*drift.Account]
	more, done bool
}

// Accounts returns a walk over all accounts.
func Accounts(w relay.Window) *AccountWalk {
	return &AccountWalk{window: w, index: w.Offset(), done: w.First == 0}
}

func (w *AccountWalk) next() (AccountPage, bool) {
	return AccountPage{Index: w.index, Size: min(w.window.First-len(w.edges), drift.MaxAccounts)}, !w.done
}

func (w *AccountWalk) add(page *drift.AccountPage) {
	for i, a := range page.Accounts {
		if len(w.edges) == w.window.First {
			w.more, w.done = true, true
			return
		}
		w.edges = append(w.edges, relay.Edge[*drift.Account]{Node: a, Place: w.window.Place(w.index+i, a.Ref())})
	}
	w.more = page.Next > w.index
	w.done = !w.more || len(w.edges) == w.window.First
	w.index = page.Next
}

func (w *AccountWalk) most() int { return mostPages }

func (w *AccountWalk) connection() *relay.Connection[*drift.Account] {
	return relay.NewConnection(w.edges, w.window.After != nil, w.more)
}
