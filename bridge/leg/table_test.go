package leg

import "testing"

// Every leg that came or went copied the list of all once: in a rush of calls
// that was a third of the memory, and quadratic.
func TestALegThatComesOrGoesCopiesNoListOfAll(t *testing.T) {
	var legs table
	const many = 20 * shards
	for i := range uint32(many) {
		legs.put(i, &Leg{})
	}
	copied := func(change func()) (entries int) {
		before := legs.shardsNow()
		change()
		for i, now := range legs.shardsNow() {
			if now != before[i] && now != nil {
				entries += len(*now)
			}
		}
		return entries
	}
	l := &Leg{}
	if n := copied(func() { legs.put(many, l) }); n != many/shards+1 {
		t.Errorf("%d entries were copied for one that comes", n)
	}
	if legs.get(many) != l || len(legs.all(nil)) != many+1 {
		t.Error("it is not found")
	}
	if n := copied(func() { legs.drop(many) }); n != many/shards {
		t.Errorf("%d entries were copied for one that goes", n)
	}
	if legs.get(many) != nil || len(legs.all(nil)) != many {
		t.Error("it is still found")
	}
}

func TestATableThatIsEmptyAgainKeepsNothing(t *testing.T) {
	var legs table
	for i := range uint32(3 * shards) {
		legs.put(i, &Leg{})
	}
	for i := range uint32(3*shards + 1) { // one of them is not there
		legs.drop(i)
	}
	for i, shard := range legs.shardsNow() {
		if shard != nil {
			t.Fatalf("shard %d is still there", i)
		}
	}
}

func TestFindingAPacketsLegAllocatesNothing(t *testing.T) {
	var legs table
	legs.put(1<<31+7, &Leg{})
	if n := testing.AllocsPerRun(100, func() {
		if legs.get(1<<31+7) == nil || legs.get(8) != nil {
			t.Fatal("found the wrong one")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func (t *table) shardsNow() (now [shards]*map[uint32]*Leg) {
	for i := range t {
		now[i] = t[i].Load()
	}
	return now
}
