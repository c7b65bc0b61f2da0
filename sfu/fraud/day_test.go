package fraud

import (
	"testing"
	"time"
	_ "time/tzdata" // the zones the tests name, on every machine
)

func TestADayBeginsAtMidnightOfItsTimeZone(t *testing.T) {
	for _, c := range []struct{ name, zone, now, want string }{
		{"in UTC", "UTC", "2026-03-01T12:00:00Z", "2026-03-01T00:00:00Z"},
		{"in no zone, which is UTC", "", "2026-03-01T12:00:00Z", "2026-03-01T00:00:00Z"},
		{"at midnight", "UTC", "2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z"},
		{"just before midnight", "UTC", "2026-03-01T23:59:59.999999999Z", "2026-03-01T00:00:00Z"},
		{"east of UTC it begins before", "Europe/Berlin", "2026-01-10T12:00:00Z", "2026-01-09T23:00:00Z"},
		{"east of UTC it is tomorrow", "Asia/Tokyo", "2026-01-10T16:00:00Z", "2026-01-10T15:00:00Z"},
		{"west of UTC it is yesterday", "America/Los_Angeles", "2026-01-10T07:00:00Z", "2026-01-09T08:00:00Z"},
		{"half hours", "Asia/Kolkata", "2026-01-10T12:00:00Z", "2026-01-09T18:30:00Z"},
		{"on the short day, before the change", "Europe/Berlin", "2026-03-29T00:30:00Z", "2026-03-28T23:00:00Z"},
		{"on the short day, after the change", "Europe/Berlin", "2026-03-29T20:00:00Z", "2026-03-28T23:00:00Z"},
		{"after the short day", "Europe/Berlin", "2026-03-29T22:00:00Z", "2026-03-29T22:00:00Z"},
		{"on the long day, before the change", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-24T22:00:00Z"},
		{"on the long day, in the second 02:30", "Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-24T22:00:00Z"},
		{"on the long day, in its 25th hour", "Europe/Berlin", "2026-10-25T22:30:00Z", "2026-10-24T22:00:00Z"},
		{"after the long day", "Europe/Berlin", "2026-10-25T23:00:00Z", "2026-10-25T23:00:00Z"},
		{"a day without midnight begins at 01:00", "Africa/Cairo", "2026-04-24T12:00:00Z", "2026-04-23T22:00:00Z"},
		{"in its first moment", "Africa/Cairo", "2026-04-23T22:00:00Z", "2026-04-23T22:00:00Z"},
		{"before it", "Africa/Cairo", "2026-04-23T21:59:59Z", "2026-04-22T22:00:00Z"},
		{"a day of two midnights begins with the first", "America/Havana", "2026-11-01T20:00:00Z", "2026-11-01T04:00:00Z"},
		{"in its second first hour", "America/Havana", "2026-11-01T05:30:00Z", "2026-11-01T04:00:00Z"},
		{"the last hour twice, the first time", "America/Sao_Paulo", "2018-02-18T01:30:00Z", "2018-02-17T02:00:00Z"},
		{"the last hour twice, the second time", "America/Sao_Paulo", "2018-02-18T02:30:00Z", "2018-02-17T02:00:00Z"},
		{"after the last hour twice", "America/Sao_Paulo", "2018-02-18T03:00:00Z", "2018-02-18T03:00:00Z"},
		{"a day after one that never was", "Pacific/Apia", "2011-12-30T15:00:00Z", "2011-12-30T10:00:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRules(t, Settings{TimeZone: c.zone})
			now, err := time.Parse(time.RFC3339Nano, c.now)
			if err != nil {
				t.Fatal(err)
			}
			day, minute := r.Windows(now)
			if got := day.UTC().Format(time.RFC3339Nano); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if !minute.Equal(now.Add(-time.Minute)) {
				t.Errorf("the minute began at %v", minute)
			}
		})
	}
}

// Walks through two years of every kind of change in steps of minutes.
func TestADayIsOneSpanOfTimeAndNoneIsMissed(t *testing.T) {
	for _, zone := range []string{"UTC", "Europe/Berlin", "America/New_York", "America/Havana", "Africa/Cairo", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Beirut"} {
		r := newRules(t, Settings{TimeZone: zone})
		now := time.Date(2010, 12, 31, 0, 0, 0, 0, time.UTC)
		before, _ := r.Windows(now)
		for range 2 * 366 * 24 * 60 / 7 {
			now = now.Add(7 * time.Minute)
			day, _ := r.Windows(now)
			if day.After(now) || day.Before(before) || now.Sub(day) > 25*time.Hour {
				t.Fatalf("%s: at %v the day began at %v, before that at %v", zone, now, day, before)
			}
			if day.After(before) && day.Sub(before) < 23*time.Hour {
				t.Fatalf("%s: a day of %v from %v", zone, day.Sub(before), before)
			}
			before = day
		}
	}
}

// A clock that is put back must not make room: rows of "the future" count too,
// because the day has no end.
func TestAClockThatStepsBackMakesTheDayBeginEarlierOrTheSame(t *testing.T) {
	r := newRules(t, Settings{TimeZone: "Europe/Berlin"})
	now := time.Date(2026, 6, 1, 23, 30, 0, 0, time.UTC)
	day, _ := r.Windows(now)
	for _, back := range []time.Duration{time.Second, time.Hour, 24 * time.Hour, 1000 * time.Hour} {
		if earlier, _ := r.Windows(now.Add(-back)); earlier.After(day) {
			t.Errorf("%v back: %v is after %v", back, earlier, day)
		}
	}
}
