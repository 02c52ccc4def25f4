package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/centrifugal/centrifuge"
)

var (
	// ErrChannel is returned for a channel that is not scope/namespace/path.
	ErrChannel = errors.New("invalid channel ID")
	// ErrNotFound is returned for a path that the channel's handler does not know.
	ErrNotFound = errors.New("not found")
	// ErrDenied is returned for a channel that takes no publication of a client.
	ErrDenied = errors.New("permission denied")
)

const (
	maxChannel = 160
	broadcast  = "grafana/broadcast/"
	dashboard  = "grafana/dashboard/"
	stream     = "stream/"
)

func check(channel string) error {
	parts := strings.SplitN(channel, "/", 3)
	if len(channel) > maxChannel || len(parts) < 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return ErrChannel
	}
	return nil
}

// subscribe takes "<organisation>/scope/namespace/path", as Grafana's clients send it.
func (l *Live) subscribe(ctx context.Context, full string) (centrifuge.SubscribeReply, error) {
	channel, err := l.own(full)
	if err != nil {
		return centrifuge.SubscribeReply{}, err
	}
	present := centrifuge.SubscribeOptions{EmitPresence: true, EmitJoinLeave: true, PushJoinLeave: true}
	switch {
	case check(channel) != nil:
		err = &centrifuge.Error{Code: http.StatusBadRequest, Message: ErrChannel.Error()}
	case strings.HasPrefix(channel, broadcast) && l.profile.Broadcast:
		present.Data, err = l.messages.LiveMessage(ctx, channel)
	case strings.HasPrefix(channel, dashboard):
		err = l.seesDashboard(ctx, channel)
	case strings.HasPrefix(channel, stream):
		present = centrifuge.SubscribeOptions{Data: l.streams.frame(channel)}
	default:
		err = centrifuge.ErrorInternal // unknown feature, or no plugin of that name
	}
	var answer *centrifuge.Error
	if err != nil && !errors.As(err, &answer) {
		err = centrifuge.ErrorInternal
	}
	return centrifuge.SubscribeReply{Options: present}, err
}

// own strips the organisation; another one's channel is refused, and so is one
// under a name that this version does not give to organisations.
func (l *Live) own(full string) (string, error) {
	if channel, ok := strings.CutPrefix(full, l.org); ok {
		return channel, nil
	}
	if org, _, ok := strings.Cut(full, "/"); !ok || strings.Trim(org, "0123456789") == "" == l.profile.Namespaces {
		return "", centrifuge.ErrorInternal
	}
	return "", centrifuge.ErrorPermissionDenied
}

// seesDashboard: a dashboard that is not there is an error of the lookup since
// channels have namespaces, before it was not found.
func (l *Live) seesDashboard(ctx context.Context, channel string) error {
	uid, ok := strings.CutPrefix(channel, dashboard+"uid/")
	if !ok || strings.Contains(uid, "/") {
		return &centrifuge.Error{Code: http.StatusNotFound, Message: http.StatusText(http.StatusNotFound)}
	}
	has, err := l.messages.HasDashboard(ctx, uid)
	if err == nil && !has && !l.profile.Namespaces {
		return &centrifuge.Error{Code: http.StatusNotFound, Message: http.StatusText(http.StatusNotFound)}
	}
	if err == nil && !has {
		err = centrifuge.ErrorInternal
	}
	return err
}

// published is what a client sends over its WebSocket.
func (l *Live) published(ctx context.Context, e centrifuge.PublishEvent) (centrifuge.PublishReply, error) {
	channel, err := l.own(e.Channel)
	if err != nil {
		return centrifuge.PublishReply{}, err
	}
	if err := l.Publish(ctx, channel, e.Data); err != nil {
		return centrifuge.PublishReply{}, centrifuge.ErrorInternal
	}
	return centrifuge.PublishReply{Result: &centrifuge.PublishResult{}}, nil
}

// Publish sends data to all subscribers of the channel, on every node, when its
// handler lets it; a broadcast is kept for later ones.
func (l *Live) Publish(ctx context.Context, channel string, data json.RawMessage) error {
	if err := check(channel); err != nil {
		return err
	}
	var err error
	switch {
	case strings.HasPrefix(channel, broadcast) && l.profile.Broadcast:
		if err = l.messages.SaveLiveMessage(ctx, channel, data); err != nil {
			err = fmt.Errorf("saving live message: %w", err)
		}
	case strings.HasPrefix(channel, dashboard):
		data, err = l.edits(ctx, strings.TrimPrefix(channel, dashboard), data)
	case strings.HasPrefix(channel, stream):
		err = ErrDenied // a stream is pushed to
	default:
		err = fmt.Errorf("unknown feature: %q", strings.Split(channel, "/")[1])
	}
	if err != nil {
		return err
	}
	return l.send(channel, data)
}

// edits is the one thing that clients say about a dashboard: that they edit it.
func (l *Live) edits(ctx context.Context, path string, data json.RawMessage) (json.RawMessage, error) {
	uid, ok := strings.CutPrefix(path, "uid/")
	if !ok || strings.Contains(uid, "/") {
		return nil, ErrNotFound
	}
	var event struct {
		UID       string `json:"uid"`
		Action    string `json:"action"`
		SessionID string `json:"sessionId,omitempty"`
	}
	if err := json.Unmarshal(data, &event); err != nil || event.UID != uid {
		return nil, errors.New("bad request")
	}
	if event.Action != "editing-started" {
		return nil, errors.New("ignore???")
	}
	has, err := l.messages.HasDashboard(ctx, uid)
	if err != nil || !has {
		return nil, errors.Join(err, ErrNotFound)
	}
	return json.Marshal(event)
}

// DashboardChanged tells whoever looks at the dashboard: saved or deleted.
func (l *Live) DashboardChanged(uid, action string) error {
	b, err := json.Marshal(map[string]string{"uid": uid, "action": action})
	if err != nil {
		return err
	}
	return l.send(dashboard+"uid/"+uid, b)
}
