package dial

import "dialroom/shared/wire"

// rate tells the rooms how their phones' lines are.
func (s *Service) rate(calls []leased, quality map[string]wire.Quality) {
	for _, c := range calls {
		if q, ok := quality[c.id]; ok {
			c.room.RateCall(c.id, q)
		}
	}
}
