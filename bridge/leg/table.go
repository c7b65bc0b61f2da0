package leg

import (
	"maps"
	"sync/atomic"
)

// shards is into how many parts a table is cut: with 10,000 legs a call that
// comes or goes copies some forty entries.
const shards = 256

// table finds legs by the SSRC of the packets for their phones, which is random.
// A packet's look at it takes no lock; a change copies one shard of it. Whoever
// changes it holds the hub's mu.
type table [shards]atomic.Pointer[map[uint32]*Leg]

// get returns the leg of an SSRC, nil for none.
func (t *table) get(ssrc uint32) *Leg {
	if legs := t[ssrc%shards].Load(); legs != nil {
		return (*legs)[ssrc]
	}
	return nil
}

func (t *table) put(ssrc uint32, l *Leg) {
	shard := &t[ssrc%shards]
	legs := make(map[uint32]*Leg)
	if old := shard.Load(); old != nil {
		legs = maps.Clone(*old)
	}
	legs[ssrc] = l
	shard.Store(&legs)
}

func (t *table) drop(ssrc uint32) {
	shard := &t[ssrc%shards]
	old := shard.Load()
	if old == nil {
		return
	}
	legs := maps.Clone(*old)
	delete(legs, ssrc)
	if len(legs) == 0 {
		shard.Store(nil) // a map keeps the room of its fullest day
		return
	}
	shard.Store(&legs)
}

// all appends every leg to list.
func (t *table) all(list []*Leg) []*Leg {
	for i := range t {
		if legs := t[i].Load(); legs != nil {
			for _, l := range *legs {
				list = append(list, l)
			}
		}
	}
	return list
}
