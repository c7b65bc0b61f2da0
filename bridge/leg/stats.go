package leg

import (
	"log/slog"
	"time"
)

// Stats counts a leg's media. Bytes are payload bytes.
type Stats struct {
	// From the phone.
	Packets   uint64 // valid, from the right source
	Bytes     uint64
	Forwarded uint64 // audio passed on to the sfu
	Events    uint64 // telephone-event packets
	Noise     uint64 // comfort noise packets
	Lost      int64  // sequence numbers that never came
	Jitter    time.Duration

	// To the phone.
	SentPackets uint64
	SentBytes   uint64

	// As the phone reports it over RTCP; zero when it does not.
	RemoteLoss   float64 // share of its last interval, 0 to 1
	RemoteJitter time.Duration
	RoundTrip    time.Duration

	// Dropped, both ways.
	WrongSource uint64 // from an address that the SDP or the leg does not name
	Forged      uint64 // SRTP that is not authentic, or was there before
	Invalid     uint64 // not RTP or RTCP
	Unwanted    uint64 // a payload type or a direction that was not negotiated
	Late        uint64 // so late that their place was given away
	SendErrors  uint64 // the kernel did not take them
}

// Stats returns the counters as of now.
func (l *Leg) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Lost, s.Jitter = l.heard.lost(), l.heard.jitterTime()
	s.RemoteLoss, s.RemoteJitter, s.RoundTrip = l.reports.remoteLoss, l.reports.remoteJitter, l.reports.roundTrip
	return s
}

// LogValue makes one group of the counters that say how a call went.
func (s Stats) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Uint64("packets", s.Packets), slog.Uint64("sent", s.SentPackets),
		slog.Int64("lost", s.Lost), slog.Duration("jitter", s.Jitter),
		slog.Float64("remote_loss", s.RemoteLoss), slog.Duration("round_trip", s.RoundTrip),
		slog.Uint64("wrong_source", s.WrongSource), slog.Uint64("forged", s.Forged), slog.Uint64("invalid", s.Invalid),
		slog.Uint64("unwanted", s.Unwanted), slog.Uint64("late", s.Late), slog.Uint64("send_errors", s.SendErrors),
	)
}
