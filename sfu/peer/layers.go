package peer

import (
	"slices"
	"strings"

	"github.com/pion/rtp"

	"dialroom/sfu/room"
)

// This file is what is peculiar to a picture that comes in several sizes
// (simulcast, RFC 8853): how an offer names them, and how their packets are told
// apart. Which of them anybody gets is for package room.

// maxLayers bounds the sizes of one picture.
const maxLayers = 4

// simulcast reads the layers that are sent out of the attribute's value (RFC
// 8853 §5.1), "send q;h;f". A page names the smallest first. Alternatives and
// paused layers count as what they stand for.
func simulcast(value string) []string {
	words := strings.Fields(value)
	var rids []string
	for i := 0; i+1 < len(words); i += 2 {
		if words[i] != "send" {
			continue
		}
		for rid := range strings.SplitSeq(words[i+1], ";") {
			rid, _, _ = strings.Cut(strings.TrimPrefix(rid, "~"), ",")
			if rid = strings.TrimPrefix(rid, "~"); plainRID(rid) && !slices.Contains(rids, rid) {
				rids = append(rids, rid)
			}
		}
	}
	if len(rids) < 2 || len(rids) > maxLayers {
		return nil // one layer is none; nobody needs more than there are sizes of tiles
	}
	return rids
}

// plainRID reports whether a name is made of what RFC 8851 §10 allows.
func plainRID(rid string) bool {
	return rid != "" && len(rid) <= 16 && strings.IndexFunc(rid, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9')
	}) < 0
}

// sameLayers reports whether the uplinks of a track are for these layers.
func sameLayers(group []*uplink, rids []string) bool {
	if len(rids) == 0 {
		return len(group) == 1
	}
	return slices.EqualFunc(group, rids, func(u *uplink, rid string) bool { return u.track.RID == rid })
}

// newUplinks makes what a track needs: one uplink, or one for each of its layers.
func newUplinks(p *Peer, kind room.Kind, rids []string) []*uplink {
	if len(rids) == 0 {
		return []*uplink{newUplink(p, kind, "")}
	}
	group := make([]*uplink, len(rids))
	for i, rid := range rids {
		group[i] = newUplink(p, kind, rid)
	}
	return group
}

// trackOf returns the track that the uplinks are the layers of.
func trackOf(group []*uplink) *room.Track {
	first := group[0].track
	if len(group) == 1 {
		return first
	}
	t := &room.Track{Owner: first.Owner, Kind: first.Kind}
	for _, u := range group {
		t.Layers = append(t.Layers, u.track)
	}
	return t
}

// bearing finds the uplink of a stream that is new by the names its packet
// bears (RFC 9143 §9.2, RFC 8852 §3.1). Senders stop naming it once reports show that it is known.
func (in *inbound) bearing(h *rtp.Header) *uplink {
	if in.midExt == 0 {
		return nil
	}
	group := in.byMid[string(h.GetExtension(in.midExt))]
	if len(group) == 1 {
		return group[0]
	}
	if in.ridExt != 0 {
		rid := h.GetExtension(in.ridExt)
		for _, u := range group {
			if u.track.RID == string(rid) {
				return u
			}
		}
	}
	return nil
}
