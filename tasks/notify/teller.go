package notify

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/inventory"
)

// Deadline is how long one receiver may take.
const Deadline = 10 * time.Second

// Teller tells the receivers of an inventory how one run goes. The zero value
// tells nobody.
type Teller struct {
	Receivers []inventory.Notification
	// Nodes are where an annotation may be posted, tried in order.
	Nodes []Node
	// Admin logs in to a node for the annotation.
	Admin inventory.Admin
	// Warn is told what could not be delivered; nil: nobody is.
	Warn func(text string)
	// Deadline of each receiver; 0: [Deadline].
	Deadline time.Duration

	begun guard.Group
}

// Begin tells that the run starts, in the background: nobody's web hook holds a
// rollout up. End waits for it.
func (t *Teller) Begin(ctx context.Context, m Message) {
	m.Schema, m.Event = 1, Start
	t.begun.Go(func() { t.tell(ctx, m) })
}

// End tells how the run ended, with m.Event [Success] or [Failure], and returns when
// every receiver has it or has had its time; also when ctx is over, since it is then
// that people want to know.
func (t *Teller) End(ctx context.Context, m Message) {
	t.begun.Wait()
	m.Schema = 1
	t.tell(context.WithoutCancel(ctx), m)
}

// tell sends m to all who want it, at the same time.
func (t *Teller) tell(ctx context.Context, m Message) {
	m = m.cleaned()
	limit := t.Deadline
	if limit == 0 {
		limit = Deadline
	}
	var wg guard.Group
	var mu sync.Mutex
	for i, r := range t.Receivers {
		if !wants(r, m.Event) {
			continue
		}
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			err := t.send(ctx, r, m)
			if err == nil || t.Warn == nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			t.Warn(fmt.Sprintf("notify[%d] (%s) was not told of the %s: %v", i, r.Type, m.Event, err))
		})
	}
	wg.Wait()
}

// wants: an annotation marks what happened, so it is made when that is known.
func wants(r inventory.Notification, e Event) bool {
	if r.Type == "annotation" && e == Start {
		return false
	}
	return len(r.On) == 0 || slices.Contains(r.On, string(e))
}

func (t *Teller) send(ctx context.Context, r inventory.Notification, m Message) error {
	switch r.Type {
	case "webhook":
		return post(ctx, r.URL, m)
	case "slack":
		return post(ctx, r.URL, slack(m))
	case "annotation":
		return t.annotate(ctx, m)
	}
	return fmt.Errorf("there is no such type of notification")
}
