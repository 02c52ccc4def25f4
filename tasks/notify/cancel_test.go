package notify

import (
	"context"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
)

// A run that was interrupted is what people want to hear of.
func TestEndIsToldAlsoWhenTheRunWasCancelled(t *testing.T) {
	in := newInbox(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	(&Teller{Receivers: []inventory.Notification{receiver("webhook", in.URL)}}).End(ctx, message(Failure))
	if got := in.messages(t); len(got) != 1 || got[0].Event != Failure {
		t.Errorf("got %+v", got)
	}
}
