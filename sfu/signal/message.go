package signal

import (
	"encoding/json"
	"errors"
	"fmt"

	"dialroom/sfu/room"
)

// The messages from a page. Unknown fields are ignored, so that a newer page
// may talk to an older server; an unknown type is an error the page is told of.

type joinMessage struct {
	Room   string `json:"room"`
	Name   string `json:"name"`
	Link   string `json:"link"` // signed-link token, "" for none
	Resume string `json:"resume"`
}

type offerMessage struct {
	SDP    string               `json:"sdp"`
	Tracks map[string]room.Kind `json:"tracks"` // by mid
}

type candidateMessage struct {
	Candidate candidate `json:"candidate"`
}

type viewMessage struct {
	Video []struct {
		ID    string    `json:"id"`
		Kind  room.Kind `json:"kind"`
		Width int       `json:"width"` // device pixels
	} `json:"video"`
}

type dialMessage struct {
	Number string `json:"number"`
	Trunk  string `json:"trunk"`
	Again  bool   `json:"again"`
	Add    bool   `json:"add"` // somebody has typed the number: it is not the link's
}

type hangupMessage struct {
	Call string `json:"call"`
}

type dtmfMessage struct {
	Call   string `json:"call"`
	Digits string `json:"digits"`
}

type stateMessage struct {
	Audio  bool `json:"audio"`
	Video  bool `json:"video"`
	Screen bool `json:"screen"`
}

type chatMessage struct {
	Text string `json:"text"`
}

type muteMessage struct {
	ID    string `json:"id"`
	Muted *bool  `json:"muted"` // false lets a muted phone speak again
}

type removeMessage struct {
	ID string `json:"id"`
}

type leaveMessage struct{}

type pingMessage struct{}

// candidate is an ICE candidate: a string, or an RTCIceCandidateInit object.
type candidate string

func (c *candidate) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*c = candidate(text)
		return nil
	}
	var object struct {
		Candidate string `json:"candidate"`
	}
	if err := json.Unmarshal(data, &object); err != nil {
		return err
	}
	*c = candidate(object.Candidate)
	return nil
}

// maxView is how many pictures a page may ask for; no page has more slots.
const maxView = 100

var (
	errMalformed   = errors.New("malformed message")
	errUnknownType = errors.New("unknown type of message")
)

// decode reads one message of a page. The error wraps errMalformed or errUnknownType.
func decode(data []byte) (any, error) {
	var envelope struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(data, &envelope); err != nil {
		return nil, fmt.Errorf("%w: %w", errMalformed, err)
	}
	switch envelope.Type {
	case "join":
		return as[joinMessage](data)
	case "offer":
		return as[offerMessage](data)
	case "candidate":
		return as[candidateMessage](data)
	case "view":
		m, err := as[viewMessage](data)
		if m, ok := m.(viewMessage); ok && len(m.Video) > maxView {
			return nil, fmt.Errorf("%w: a view of %d pictures", errMalformed, len(m.Video))
		}
		return m, err
	case "dial":
		return as[dialMessage](data)
	case "hangup":
		return as[hangupMessage](data)
	case "dtmf":
		return as[dtmfMessage](data)
	case "state":
		return as[stateMessage](data)
	case "chat":
		return as[chatMessage](data)
	case "mute":
		return as[muteMessage](data)
	case "remove":
		return as[removeMessage](data)
	case "leave":
		return leaveMessage{}, nil
	case "ping":
		return pingMessage{}, nil
	case "":
		return nil, fmt.Errorf("%w: no type", errMalformed)
	}
	return nil, errUnknownType
}

func as[T any](data []byte) (any, error) {
	var m T
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("%w: %w", errMalformed, err)
	}
	return m, nil
}
