package alerting

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/inhibit"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/alertmanager/timeinterval"
	"github.com/prometheus/client_golang/prometheus"
)

// dispatching is one configuration at work.
type dispatching struct {
	config     string
	receivers  []Receiver
	dispatcher *dispatch.Dispatcher
	running    sync.WaitGroup
}

func (s *Service) dispatch(c Config, text string) (*dispatching, error) {
	route, err := c.route()
	if err != nil {
		return nil, err
	}
	receivers := map[string][]notify.Integration{}
	for _, r := range c.Alertmanager.Receivers {
		receivers[r.Name] = nil
		for i, cp := range r.ContactPoints {
			n, err := s.notifier(cp, r.Name)
			if err != nil {
				return nil, err
			}
			receivers[r.Name] = append(receivers[r.Name], notify.NewIntegration(n, n, cp.Type, i, r.Name))
		}
	}
	stage := s.pipeline.New(receivers, s.wait, inhibit.NewInhibitor(s.alerts, nil, s.marker, s.log), silence.NewSilencer(s.silences, s.marker, s.log),
		timeinterval.NewIntervener(nil), s.marker, s.nflog, s.Peer)
	timeout := func(d time.Duration) time.Duration { return max(d, notify.MinTimeout) + s.wait() }
	d := &dispatching{config: text, receivers: c.Alertmanager.Receivers}
	d.dispatcher = dispatch.NewDispatcher(s.alerts, dispatch.NewRoute(route, nil), stage, s.marker, timeout, nil, s.log,
		dispatch.NewDispatcherMetrics(false, prometheus.NewRegistry()))
	return d, nil
}

func (d *dispatching) start() { d.running.Go(d.dispatcher.Run) }

// stop waits for notifications under way; nothing for the first configuration.
func (d *dispatching) stop() {
	if d == nil {
		return
	}
	ended := make(chan struct{})
	go func() {
		d.running.Wait()
		close(ended)
	}()
	// A Stop that comes before Run has begun does nothing, so it is repeated.
	for {
		d.dispatcher.Stop()
		select {
		case <-ended:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (s *Service) notifier(cp ContactPoint, receiver string) (*notifier, error) {
	n := &notifier{kind: cp.Type, receiver: receiver, root: s.RootURL, resolve: !cp.DisableResolveMessage, log: s.Log("ngalert.notifier." + cp.Type), metrics: s.metrics}
	var in struct{ URL, HTTPMethod, Username, Password string }
	if err := json.Unmarshal(cp.Settings, &in); err != nil {
		return nil, fmt.Errorf("contact point %s: %w", cp.Name, err)
	}
	n.url, n.user, n.password, n.method = in.URL, in.Username, in.Password, in.HTTPMethod
	return n, nil
}
