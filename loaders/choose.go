package loaders

import (
	"context"
	"time"

	"github.com/driftgraph/driftgraph/drift"
)

// A way is how records are read by their ids.
type way int

const (
	singly   way = iota // each by a call of its own
	together            // so many in a call
	listed              // by the list of all
)

// cheapest is the cost model: it returns the way that takes the fewest calls to
// read so many records whose ids are known.
//
//   - singly takes a call for each.
//   - together takes a call for each bulk of them; bulk is 1 where Drift has no
//     such route.
//   - listed takes a call for each page of the list of all; pages is 0 where
//     there is none, or its length is not known.
//
// Of ways that take as many calls it returns the one that brings the least. So
// users are read singly when one is wanted, together up to twenty, and by their
// list, which has one page, beyond; accounts singly up to as many as their list
// has pages, and by the list beyond; contacts of which the external id is known
// together in twenties. Contacts and conversations by Drift's own id have
// neither a bulk nor a list that is as complete, so there is nothing to choose.
//
// Two choices are made before the ids are known, by Compile. Many users are
// looked up in their list, which is read together with the first calls: that is
// one call, as together would be at best, and a round earlier. And a conversation
// is not read at all when the selection needs no more than its row in a list.
func cheapest(wanted, bulk, pages int) way {
	best, calls := singly, wanted
	if n := pagesOf(wanted, bulk); n < calls {
		best, calls = together, n
	}
	if pages > 0 && pages < calls {
		best = listed
	}
	return best
}

// pagesOf returns how many pages of a size hold n records.
func pagesOf(n, size int) int { return (n + size - 1) / size }

// accountCount names the number of accounts among the sizes that are learned.
const accountCount = "accounts"

// sizeTTL is how long a size that was learned is thought to be about right. A
// wrong one costs a call at most, never an answer.
const sizeTTL = 24 * time.Hour

// learn keeps how many records of a kind there are.
func (s *Source) learn(ctx context.Context, name string, n int) {
	s.store.sizes.Put(ctx, s.tenant, map[string]*int{name: &n})
}

// accountPages returns how many pages the list of accounts has, as far as was
// learned; 0 if that is not known.
func (s *Source) accountPages(ctx context.Context) int {
	size := s.store.sizes.Load(ctx, s.tenant, []string{accountCount}, func(context.Context, []string, func(string, *int, error)) error { return nil })[0]
	n, err := size.Wait(ctx)
	if n == nil || err != nil {
		return 0
	}
	return pagesOf(*n, drift.MaxAccounts)
}

// knownAccountPages is accountPages of what this process knows by itself.
func (s *Source) knownAccountPages() int {
	if n, held := s.store.sizes.Peek(s.tenant, accountCount); held && n != nil {
		return pagesOf(*n, drift.MaxAccounts)
	}
	return 0
}
