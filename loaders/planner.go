package loaders

import (
	"context"
	"log/slog"
	"slices"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/graph-gophers/dataloader/v7"

	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/redact"
)

// A level says how much is known of an object. A list row of a conversation
// knows less than the conversation read alone, and a link knows only the id.
type level int

const (
	nothing  level = iota
	identity       // the id, and what follows from it
	summary        // of a conversation: what a report tells
	row            // of a conversation: what a list tells
	whole          // all there is
	levels
)

// The planner walks the selection of an operation ahead of the resolvers and
// has the loaders read everything it will need, in the fewest calls, each as
// soon as its key is known. When Plan returns, the resolvers find their answers
// in the loaders, so the planner is only ever an optimisation: what it does not
// foresee is still read, a little later.
//
// It is a loop over answers. An answer makes objects known; each link that the
// selection follows from an object names keys; the keys that one round of
// answers names are given to the loaders and flushed together. No timer runs,
// and no kind of record waits for another. Only keys that share a call wait for
// one another: those of a bulk link are gathered until no answer that is still
// out can name more.
type planner struct {
	*Loaders
	ctx    context.Context
	live   int   // answers still out
	cause  []int // the steps that brought what is being visited
	dirty  map[flusher]struct{}
	issued []func() // connects what was given to the loaders in this round
	queue  completions
}

type flusher interface{ flush() }

// A field is a link that the selection follows: one field of one type, at one
// place of the operation.
type field struct {
	link     *link
	args     arguments
	children map[string]*selection // by the type of object the link leads to
	heights  [levels]int           // how many calls may follow one by one on an answer, by the level known before it
	sealed   bool                  // no more parents will come
	live     [levels]int           // answers still out that may make objects known, by the level they raise them to
	waiting  []func()              // loads of a bulk link, until it is sealed
}

// A selection is what an operation selects on one type of object at one place.
type selection struct {
	need  level // how much must be known of the object
	links []*field
}

// Plan reads ahead what a query, or an event, will need. It returns when all is there, or
// could not be read, or ctx has ended. Of a mutation it reads nothing: each of
// its payloads is planned when it is known.
func (l *Loaders) Plan(ctx context.Context) {
	defer l.trip.End()
	if l.plan.typ == "Mutation" {
		return
	}
	root := &field{sealed: true, children: map[string]*selection{l.plan.typ: l.plan.root}}
	l.readAhead(ctx, root, func(p *planner) {
		p.start(root)
		p.visit(l.plan.root, nil, nothing, whole)
	})
}

// planPayload reads ahead what the payload of a mutation's field, which ctx is
// of, needs of the object that the given steps have brought.
func (l *Loaders) planPayload(ctx context.Context, object any, steps []int) {
	f := l.plan.mutations[graphql.GetFieldContext(ctx).Field.Field]
	if f == nil {
		return
	}
	f.sealed = true
	l.readAhead(l.Write.ctx, f, func(p *planner) {
		p.cause = steps
		for _, payload := range f.children {
			p.visit(payload, object, nothing, whole)
		}
		p.cause = nil
	})
}

// readAhead reads what follows on what visit makes known, which are objects
// that the field f leads to.
func (l *Loaders) readAhead(ctx context.Context, f *field, visit func(*planner)) {
	defer func() {
		if cause := recover(); cause != nil { // the resolvers still read what they need
			slog.ErrorContext(ctx, "the planner failed", "error", redact.Panicked(cause))
		}
	}()
	p := &planner{Loaders: l, ctx: ctx, dirty: make(map[flusher]struct{})}
	p.queue.signal = make(chan struct{}, 1)
	visit(p)
	p.settle(f)
	p.run()
}

// start reads the lists of everything of a kind that the selection will
// surely look things up in, together with the first calls of the operation.
func (p *planner) start(root *field) {
	if p.plan.lists[users] {
		ask(p, root, whole, p.UserList, All{}, ignore)
	}
	if p.plan.lists[accounts] {
		ask(p, root, whole, p.AccountDirectory, All{}, ignore)
	}
	if p.plan.lists[teams] {
		ask(p, root, whole, p.Teams, All{}, ignore)
	}
	if p.plan.lists[playbooks] {
		ask(p, root, whole, p.Playbooks, All{}, ignore)
	}
}

// run handles answers until none is out.
func (p *planner) run() {
	for {
		for loader := range p.dirty {
			loader.flush()
		}
		clear(p.dirty)
		issued := p.issued
		p.issued = nil
		for _, connect := range issued {
			connect()
		}
		p.trip.Send()
		if p.live == 0 {
			return
		}
		arrived := p.queue.take()
		if arrived == nil {
			select {
			case <-p.queue.signal:
				continue
			case <-p.ctx.Done():
				return
			}
		}
		for _, handle := range arrived {
			handle()
		}
	}
}

// await reads a key for a field at one place of the answer, and hands the record
// to then once it is there. It raises objects of the field from the level have.
func await[K comparable, V any](p *planner, f *field, have level, loader *Loader[K, V], key K, then func(V)) {
	p.recorder.naive()
	ask(p, f, have, loader, key, then)
}

// ask is await for what has no place in the answer.
func ask[K comparable, V any](p *planner, f *field, have level, loader *Loader[K, V], key K, then func(V)) {
	p.live++
	for l := have + 1; l < levels; l++ {
		f.live[l]++
	}
	loader.expect(key, f.heights[have], p.cause)
	issue(p, loader, key, loader.batches.Load(loader.ctx, key), func(v V, err error) {
		p.cause = p.recorder.brought(loader, key)
		if err == nil {
			then(v)
		}
		p.live--
		for l := have + 1; l < levels; l++ {
			f.live[l]--
		}
		p.settle(f)
		p.cause = nil
	})
}

// issue has handle called in the planner's loop with the record of a key, once
// the loader has been flushed and the record is there.
func issue[K comparable, V any](p *planner, loader *Loader[K, V], key K, thunk dataloader.Thunk[*cache.Future[V]], handle func(V, error)) {
	p.dirty[loader] = struct{}{}
	p.issued = append(p.issued, func() {
		future, err := thunk()
		if err != nil {
			future = cache.Failed[V](err)
		}
		future.Then(func() {
			p.queue.put(func() {
				v, err := future.Result()
				if loader.refusedOther(future, err) {
					issue(p, loader, key, loader.again(key), handle)
					return
				}
				handle(v, err)
			})
		})
	})
}

// visit follows the links of an object that became possible when what is
// known of it rose from have to now.
func (p *planner) visit(s *selection, object any, have, now level) {
	for _, f := range s.links {
		if have < f.link.needs && f.link.needs <= now {
			f.link.follow(p, object, f)
		}
	}
}

// meet visits an object of the given type that the field f leads to, of which
// have is known, and reads the whole of it if the selection needs more.
func meet[K comparable, V any](p *planner, f *field, typ string, object *V, have level, loader *Loader[K, *V], key K) {
	s := f.children[typ]
	if s == nil {
		return
	}
	p.visit(s, object, nothing, have)
	if s.need <= have {
		return
	}
	await(p, f, have, loader, key, func(v *V) {
		if v != nil {
			p.visit(s, v, have, whole)
		}
	})
}

// gather holds a load of a bulk link back until all its parents are known.
func (p *planner) gather(f *field, load func()) {
	if f.sealed {
		load()
		return
	}
	named := p.cause
	f.waiting = append(f.waiting, func() {
		sealed := p.cause
		p.cause = union(slices.Clone(named), sealed)
		load()
		p.cause = sealed
	})
}

// settle seals the fields below f whose parents are all known by now.
func (p *planner) settle(f *field) {
	if !f.sealed {
		return
	}
	for _, s := range f.children {
		for _, child := range s.links {
			if child.sealed || f.live[child.link.needs] > 0 {
				continue
			}
			child.sealed = true
			for _, load := range child.waiting {
				load()
			}
			child.waiting = nil
			p.settle(child)
		}
	}
}

// completions is a queue that answers are put into as they arrive.
type completions struct {
	mu     sync.Mutex
	list   []func()
	signal chan struct{}
}

func (q *completions) put(handle func()) {
	q.mu.Lock()
	q.list = append(q.list, handle)
	q.mu.Unlock()
	select {
	case q.signal <- struct{}{}:
	default:
	}
}

func (q *completions) take() []func() {
	q.mu.Lock()
	defer q.mu.Unlock()
	list := q.list
	q.list = nil
	return list
}
