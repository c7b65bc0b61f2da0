package web

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Counts is what /metrics tells beside the figures of the process itself.
// Gauges say what is now, totals count since the process started.
type Counts struct {
	Rooms        int
	Participants map[string]int    // by kind, "browser" and "phone"
	Calls        map[string]int    // live calls by state
	Sockets      int               // open WebSockets
	Placed       uint64            // calls that were reserved
	Ended        map[string]uint64 // of them, by ending
	In           map[Origin]uint64 // calls that came in
	InEnded      map[string]uint64 // of them, by ending
	Refused      map[string]uint64 // dials by refusal
	Packets      map[string]uint64 // RTP packets by direction
}

// Origin is by which way calls come in.
type Origin struct {
	By    string // "trunk", "extension" or "room"
	Trunk string // its id
}

// Metrics returns the handler of /metrics. read is called once per scrape, by
// any goroutine.
func Metrics(read func() Counts) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&counts{read: read},
	)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// counts turns Counts into metrics at the time of a scrape.
type counts struct{ read func() Counts }

// Describe sends nothing: what there is depends on the scrape, which makes the
// collector an unchecked one.
func (c *counts) Describe(chan<- *prometheus.Desc) {}

func (c *counts) Collect(ch chan<- prometheus.Metric) {
	now := c.read()
	gauge := func(name, help string, v float64) {
		ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, nil, nil), prometheus.GaugeValue, v)
	}
	gauge("dialroom_rooms", "Rooms that exist.", float64(now.Rooms))
	gauge("dialroom_sockets", "WebSockets that are open.", float64(now.Sockets))
	collect(ch, prometheus.GaugeValue, "dialroom_participants", "Participants in all rooms.", "kind", now.Participants)
	collect(ch, prometheus.GaugeValue, "dialroom_calls", "Calls that have not ended.", "state", now.Calls)
	ch <- prometheus.MustNewConstMetric(prometheus.NewDesc("dialroom_calls_placed_total", "Calls that were reserved.", nil, nil),
		prometheus.CounterValue, float64(now.Placed))
	collect(ch, prometheus.CounterValue, "dialroom_calls_ended_total", "Calls that were reserved and have ended.", "reason", now.Ended)
	in := prometheus.NewDesc("dialroom_calls_in_total", "Calls that came in.", []string{"by", "trunk"}, nil)
	for from, n := range now.In {
		ch <- prometheus.MustNewConstMetric(in, prometheus.CounterValue, float64(n), from.By, from.Trunk)
	}
	collect(ch, prometheus.CounterValue, "dialroom_calls_in_ended_total", "Calls that came in and have ended.", "reason", now.InEnded)
	collect(ch, prometheus.CounterValue, "dialroom_dials_refused_total", "Dials that were refused.", "reason", now.Refused)
	collect(ch, prometheus.CounterValue, "dialroom_packets_total", "RTP packets.", "direction", now.Packets)
}

func collect[N int | uint64](ch chan<- prometheus.Metric, kind prometheus.ValueType, name, help, label string, values map[string]N) {
	desc := prometheus.NewDesc(name, help, []string{label}, nil)
	for k, v := range values {
		ch <- prometheus.MustNewConstMetric(desc, kind, float64(v), k)
	}
}
