package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// maxMembers bounds the records of one group that Redis keeps. What comes on top
// is kept in the process only, until some of the others have ended.
const maxMembers = 100_000

var errNoGroups = errors.New("cache: a kind without groups has none to drop")

// groups are what a Kind with groups knows of them in this process.
type groups struct {
	of    map[fullKey]map[fullKey]struct{} // the records that are held or being loaded, and some that no longer are
	size  int                              // how many records that are, as they were entered
	bound int                              // above which those that are gone are taken out
	drops [1024]uint64                     // when groups were last dropped, as Kind.drops
}

// minSwept is how many records of groups are known at least before those that
// are gone are looked for.
const minSwept = 1024

func newGroups() *groups {
	return &groups{of: make(map[fullKey]map[fullKey]struct{}), bound: minSwept}
}

// groupOf returns the group of a key, "" if it has none.
func (k *Kind[K, V]) groupOf(key K) string {
	if k.group == nil {
		return ""
	}
	return k.group(key)
}

// enter notes that a record of a group is held, or being loaded. The caller holds mu.
func (k *Kind[K, V]) enter(full fullKey, group string) {
	if group == "" {
		return
	}
	name := full.in(group)
	records := k.groups.of[name]
	if records == nil {
		records = make(map[fullKey]struct{})
		k.groups.of[name] = records
	}
	before := len(records)
	records[full] = struct{}{}
	k.groups.size += len(records) - before
	if k.groups.size > k.groups.bound {
		k.sweep()
	}
}

// sweep takes out of the groups the records that are gone. At least half as many
// come before it is called again, so that each costs little.
func (k *Kind[K, V]) sweep() {
	k.groups.size = 0
	for name, records := range k.groups.of {
		for full := range records {
			if k.flights[full] == nil && !k.cache.memory.holds(full) {
				delete(records, full)
			}
		}
		if len(records) == 0 {
			delete(k.groups.of, name)
		}
		k.groups.size += len(records)
	}
	k.groups.bound = max(2*k.groups.size, minSwept)
}

// DropGroup is Drop of all records whose keys are in one of the groups, known
// here or not. It waits for a few round trips to Redis: after the first no
// process answers what is dropped, after the last Redis holds none of it. An
// error is ErrNotTold: then both is made up for.
func (k *Kind[K, V]) DropGroup(t Tenant, groups ...string) error {
	if k.group == nil {
		return errNoGroups
	}
	names := make([]fullKey, 0, len(groups))
	for _, group := range groups {
		if group != "" {
			names = append(names, fullKey{t, k.name, group})
		}
	}
	k.forgetGroups(names)
	if k.cache.remote == nil || len(names) == 0 {
		return nil
	}
	err := k.cache.remote.dropGroups(names)
	k.forgetGroups(names) // what was read from Redis until now
	k.cache.dropsSent.Add(uint64(len(names)))
	return err
}

// forgetGroups is forget of all records of groups.
func (k *Kind[K, V]) forgetGroups(names []fullKey) {
	if k.groups == nil || len(names) == 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	seq := k.cache.seq.Add(1)
	for _, name := range names {
		k.groups.drops[slot(name)] = seq
		records := k.groups.of[name]
		for full := range records {
			k.letGo(full)
		}
		k.groups.size -= len(records)
		delete(k.groups.of, name)
	}
}

// A member is what makes a record one of a group in Redis.
type member struct {
	group      fullKey       // as if it were a record
	life       time.Duration // how long a record of the kind may be in Redis, from when it is asked for
	generation string        // of the group before the record was fetched; "" if it may not be written
}

// member returns what makes a record one of a group, nil without one.
func (k *Kind[K, V]) member(t Tenant, group string) *member {
	if group == "" || k.cache.remote == nil {
		return nil
	}
	longest := max(k.ttl+k.keep, k.absentTTL)
	return &member{group: fullKey{t, k.name, group}, life: longest + longest/10 + dropLife}
}

// sign returns what is written of a record, nil if nothing may be.
func (m *member) sign(value []byte) []byte {
	switch {
	case m == nil:
		return value
	case m.generation == "":
		return nil
	}
	return append(value, m.generation...)
}

// enrolments make records members of their groups.
type enrolments struct {
	runs   []run
	places [][]int         // of the records of each run, among those that the caller has
	last   map[fullKey]int // of each group, the run that still has room
}

// add has the record at a place become a member.
func (e *enrolments) add(r *remote, place int, full fullKey, m *member, late bool) {
	if e.last == nil {
		e.last = make(map[fullKey]int)
	}
	i, known := e.last[m.group]
	if !known || len(e.places[i]) == runRecords {
		i = len(e.runs)
		e.last[m.group] = i
		before := 0
		if late {
			before = 1
		}
		e.runs = append(e.runs, run{enrollScript, []string{m.group.String()}, []any{m.life.Milliseconds(), r.generation(), r.members, before}})
		e.places = append(e.places, nil)
	}
	e.runs[i].args = append(e.runs[i].args, full.String())
	e.places[i] = append(e.places[i], place)
}

// each calls note for each record with what came of it.
func (e *enrolments) each(results []*redis.Cmd, note func(place int, generation string, outcome int64)) {
	for i, places := range e.places {
		var said []any
		if i < len(results) {
			said, _ = results[i].Slice()
		}
		for j, place := range places {
			if len(said) != len(places)+1 {
				note(place, "", leftOut)
				continue
			}
			generation, _ := said[0].(string)
			outcome, _ := said[j+1].(int64)
			note(place, generation, outcome)
		}
	}
}

// generation returns a name that no generation of a group has had. All are of
// one length, so none is the end of another.
func (r *remote) generation() string { return fmt.Sprintf("%s%016x", r.name, r.tokens.Add(1)) }

// recall makes the runs of a recall, then what makes records members of their
// groups. In that order, a lease that no drop of the group takes away is of the
// generation after that drop. In a cluster, where runs have no order, it takes
// two round trips.
func (r *remote) recall(ctx context.Context, recalls []run, asks []*ask) (found, enrolled []*redis.Cmd, e enrolments, err error) {
	place := 0
	for _, a := range asks {
		for _, q := range a.questions {
			if q.member != nil {
				e.add(r, place, q.full, q.member, false)
			}
			place++
		}
	}
	if len(e.runs) == 0 {
		found, err = r.run(ctx, recalls)
		return found, nil, e, err
	}
	if !r.cluster {
		all, err := r.run(ctx, append(recalls, e.runs...))
		if len(all) == 0 {
			return nil, nil, e, err
		}
		return all[:len(recalls)], all[len(recalls):], e, err
	}
	if found, err = r.run(ctx, recalls); err == nil {
		enrolled, err = r.run(ctx, e.runs)
	}
	return found, enrolled, e, err
}

// judge takes from what was found the records that are not of their group's
// generation: they were dropped with the group, or the group was lost. Nothing
// keeps the asker from fetching them.
func (e *enrolments) judge(enrolled []*redis.Cmd, found []finding) {
	e.each(enrolled, func(place int, generation string, outcome int64) {
		f := &found[place]
		switch outcome {
		case enlisted:
			f.generation = generation
		case buriedToo:
			if g, ok := graveFrom(generation); ok {
				f.wire, f.withGroup = g.wire(), true
			}
		}
		if _, buried := graveIn(f.wire); buried {
			return
		}
		value, current := strings.CutSuffix(f.wire, generation)
		if f.wire = value; generation == "" || !current {
			f.wire = ""
			if f.lease == unasked {
				f.lease = denied
			}
		}
	})
}

// enrollLate makes members of records that are to be written and are none: they
// were put, or Redis failed when they were asked for. Those of groups that have
// been dropped meanwhile are not written.
func (r *remote) enrollLate(ctx context.Context, writes []write) error {
	var e enrolments
	for i, w := range writes {
		if w.record != nil && w.member != nil && w.member.generation == "" {
			e.add(r, i, w.full, w.member, true)
		}
	}
	if len(e.runs) == 0 {
		return nil
	}
	results, err := r.run(ctx, e.runs)
	if err != nil {
		return err
	}
	e.each(results, func(i int, generation string, outcome int64) {
		switch w := &writes[i]; outcome {
		case enlisted:
			w.member.generation = generation
		case outlived, buriedToo:
			w.kind.refuse(w.full, w.record)
			w.record = nil
		}
	})
	return nil
}

// dropGroups removes the records of groups from Redis and tells the other
// processes, or sees to it that this is made up for.
func (r *remote) dropGroups(names []fullKey) error {
	err := r.disband(names)
	if err != nil {
		r.owes.add(names)
		return fmt.Errorf("%w: %w", ErrNotTold, err)
	}
	return nil
}

// disband tells Redis and the other processes of drops of groups, then removes
// their records, even if Redis has failed lately. It may be called again.
func (r *remote) disband(names []fullKey) error {
	runs := make([]run, len(names))
	lines := make([]string, len(names))
	for i, name := range names {
		key := name.String()
		g, buried := r.groupGraves.find(name, r.ms())
		lines[i] = withGrave(g, buried, groupMark+key)
		runs[i] = run{disbandScript, []string{key}, []any{dropLife.Milliseconds(), dropChannel, r.name + "\n" + lines[i], g.life(r.ms()), g.text()}}
	}
	results, err := r.insist(runs)
	if err != nil {
		r.warn(err, lines)
		return err
	}
	var failures []error
	for i, result := range results {
		said, err := result.StringSlice()
		if err != nil {
			return err
		}
		if said[0] != "" {
			failures = append(failures, errors.New(said[0]))
		}
		for keys := range slices.Chunk(said[1:], tripRecords) {
			if err := r.remove(names[i], keys); err != nil {
				return err
			}
		}
	}
	if len(failures) == 0 {
		r.toldGroups.add(names)
	}
	return errors.Join(failures...)
}

// remove removes records that were dropped with their group.
func (r *remote) remove(name fullKey, keys []string) error {
	var runs []run
	for some := range slices.Chunk(keys, r.perRun()) {
		args := []any{dropLife.Milliseconds(), dropChannel, ""}
		for range some {
			args = append(args, 0, "")
		}
		runs = append(runs, run{dropScript, some, args})
	}
	if _, err := r.insist(runs); err != nil {
		return err
	}
	args := make([]any, len(keys))
	for i, key := range keys {
		args[i] = key
	}
	_, err := r.insist([]run{{removedScript, []string{name.String()}, args}})
	return err
}
