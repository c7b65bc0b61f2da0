package fraud

import "time"

// Windows says since when calls count for now: the day since midnight in the
// time zone of the settings, the minute since 60 seconds ago.
//
// A clock that is put back makes an earlier day, and a row with a later time
// counts in it all the same: nobody gains calls by it.
func (r *Rules) Windows(now time.Time) (day, minute time.Time) {
	return midnight(now.In(r.zone)), now.Add(-time.Minute)
}

// midnight is when the calendar day of t began, in the location of t. Where
// clocks are put forward at midnight (Cairo) there is no 00:00, and where they
// are put back just after it (Havana) there are two; so it goes back from t
// through the spans of one offset until one begins on another date.
func midnight(t time.Time) time.Time {
	year, yearDay := t.Year(), t.YearDay()
	for {
		began, _ := t.ZoneBounds()
		hour, minute, second := t.Clock()
		start := t.Add(-time.Duration(hour)*time.Hour - time.Duration(minute)*time.Minute -
			time.Duration(second)*time.Second - time.Duration(t.Nanosecond()))
		if began.IsZero() || start.After(began) {
			return start
		}
		before := began.Add(-1)
		if before.Year() != year || before.YearDay() != yearDay {
			return began.In(t.Location())
		}
		t = before
	}
}
