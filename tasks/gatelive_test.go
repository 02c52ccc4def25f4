package tasks

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet/fleettest"
)

// liveRun deploys three hosts whose Live meets on a Redis, has something happen, and
// restarts them. It gives what each gate of Live waited for, in seconds.
func liveRun(t *testing.T, set func(s *scripted), happen func(s *scripted, l *fleettest.Live)) (s *scripted, waits map[string]float64, err error) {
	t.Helper()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	waits = map[string]float64{}
	synctest.Test(t, func(t *testing.T) {
		s = newScripted(t, "h1", "h2", "h3")
		s.Rollout.OnFailure = "stop"
		l := s.hosts.MeetOnRedis(s.Live.Redis.Prefix)
		if set != nil {
			set(s)
		}
		s.deployed(t)
		time.Sleep(time.Hour) // whatever counts, counts right
		if happen != nil {
			happen(s, l)
		}
		r := s.runner("restart", Options{})
		_, err = r.Restart(t.Context())
		_ = r.Close()
	})
	for _, e := range s.events {
		if step, ok := strings.CutSuffix(e.Step, gateLive); ok && (e.Kind == event.StepDone || e.Kind == event.StepFailed) {
			waits[step+e.Host] = e.Seconds
		}
	}
	return s, waits, err
}

func wantWaits(t *testing.T, waits map[string]float64, atLeast, atMost float64) {
	t.Helper()
	if len(waits) != 4 {
		t.Errorf("gates of Live: %v, want one of each host and the cluster's", waits)
	}
	for gate, took := range waits {
		if strings.HasPrefix(gate, "gate:cluster") {
			continue // by then every metric has been refreshed, or soon is
		}
		if took < atLeast || took > atMost {
			t.Errorf("%s took %.1f s, want %.1f to %.1f", gate, took, atLeast, atMost)
		}
	}
}

// Redis shows a node as soon as it is there: nobody waits for the metric.
func TestLiveOpensAsSoonAsRedisShowsTheNode(t *testing.T) {
	_, waits, err := liveRun(t, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantWaits(t, waits, 0, 1)
}

// Other clusters on the same Redis are neither counted nor taken for the node that is waited for.
func TestLiveDoesNotCountOthersOnTheRedis(t *testing.T) {
	prefixed := func(s *scripted) { s.Grafana.Version, s.Live.Redis.Prefix = "12.4.0", "prod" }
	neighbours := []string{"gf_live.node.x", "other.gf_live.node.y", "xprod.gf_live.node.z", "prod.gf_live.control"}
	_, waits, err := liveRun(t, func(s *scripted) { prefixed(s); s.hosts.MeetOnRedis("prod").Lingering = neighbours }, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantWaits(t, waits, 0, 1)

	_, waits, err = liveRun(t, func(s *scripted) { prefixed(s); s.hosts.MeetOnRedis("prod").Lingering = neighbours },
		func(s *scripted, _ *fleettest.Live) { s.hosts.Host("h2").Strays = true })
	wantShut(t, "h2", waits, err)
}

// wantShut wants the gate of Live of a host to have stayed shut to its end.
func wantShut(t *testing.T, host string, waits map[string]float64, err error) {
	t.Helper()
	g, ok := errors.AsType[*GateError](err)
	if !ok || g.Gate != gateLive || g.Host != host {
		t.Fatalf("the run ended with %v (%v), want the gate of Live of %s", err, waits, host)
	}
	if waits["gate:"+host] < 59 {
		t.Errorf("the gate ended after %.1f s", waits["gate:"+host])
	}
}

// A node that went to another Redis keeps the gate shut, whatever else makes it look as if
// all were there: a connection that lingers, a neighbour on a Redis without prefixes.
func TestANodeOnAnotherRedisKeepsTheGateShut(t *testing.T) {
	astray := func(host string) func(s *scripted, l *fleettest.Live) {
		return func(s *scripted, _ *fleettest.Live) { s.hosts.Host(host).Strays = true }
	}
	for name, tt := range map[string]struct {
		host   string
		happen func(s *scripted, l *fleettest.Live)
	}{
		"the last":  {"h1", astray("h1")},
		"the first": {"h3", astray("h3")},
		"its old connection lingers": {"h2", func(s *scripted, l *fleettest.Live) {
			astray("h2")(s, l)
			l.Lingering = []string{"gf_live.node.h2-2"}
		}},
		"a neighbour was there before": {"h2", func(s *scripted, l *fleettest.Live) {
			astray("h2")(s, l)
			l.Lingering = []string{"gf_live.node.n1", "gf_live.node.n2", "gf_live.node.n3"}
		}},
		"Redis forbids to ask": {"h2", func(s *scripted, l *fleettest.Live) {
			astray("h2")(s, l)
			l.Refuse = "NOPERM User x has no permissions to run the 'pubsub|channels' command"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			_, waits, err := liveRun(t, nil, func(s *scripted, l *fleettest.Live) {
				tt.happen(s, l)
				s.Rollout.Batch = []string{"1"}
			})
			wantShut(t, tt.host, waits, err)
		})
	}
}

// Two hosts of one batch: the one that is there does not stand for the one that is not.
func TestOneOfABatchDoesNotStandForTheOther(t *testing.T) {
	s, _, err := liveRun(t, func(s *scripted) { s.Rollout.Batch, s.Rollout.MaxUnavailable = []string{"2"}, "2" }, func(s *scripted, l *fleettest.Live) {
		s.hosts.Host("h1").Strays = true
		l.Lingering = []string{"gf_live.node.h1-1"}
	})
	if err == nil || !strings.Contains(err.Error(), "h1") {
		t.Fatalf("the run ended with %v", err)
	}
	for _, e := range s.events {
		if e.Kind == event.StepDone && e.Host == "h1" && e.Step == "gate:"+gateLive {
			t.Error("the gate of h1 opened")
		}
	}
}

// Where Redis does not tell, the metric does, 10 s later.
func TestTheMetricTellsWhereRedisDoesNot(t *testing.T) {
	for name, happen := range map[string]func(s *scripted, l *fleettest.Live){
		"forbidden": func(_ *scripted, l *fleettest.Live) {
			l.Refuse = "NOPERM User x has no permissions to run the 'pubsub' command"
		},
		"renamed": func(_ *scripted, l *fleettest.Live) { l.Refuse = "ERR unknown command 'PUBSUB'" },
		"other name": func(_ *scripted, l *fleettest.Live) {
			l.Channels = func() []string { return []string{"gf_live2.node.a"} }
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, waits, err := liveRun(t, nil, happen)
			if err != nil {
				t.Fatal(err)
			}
			wantWaits(t, waits, 9, 11)
		})
	}
}

// A host that is not restarted and whose Live has been alone all the time is no node, however
// many connections Redis has.
func TestAHostThatWasNotStartedIsAskedItself(t *testing.T) {
	_, waits, err := liveRun(t, nil, func(s *scripted, l *fleettest.Live) {
		s.hosts.Host("h1").Astray = true
		l.Lingering = []string{"gf_live.node.h1-1"}
	})
	wantShut(t, "h3", waits, err)
}

// Redis denies for long what every metric says: behind a proxy it may be several. The old
// process of nobody is counted any more by then.
func TestRedisIsNotBelievedForEver(t *testing.T) {
	_, waits, err := liveRun(t, nil, func(_ *scripted, l *fleettest.Live) {
		l.Channels = func() []string { return []string{"gf_live.node.one-of-them"} }
	})
	if err != nil {
		t.Fatal(err)
	}
	wantWaits(t, waits, ghostTime.Seconds(), ghostTime.Seconds()+1)
}

func TestWhatALookAtRedisProves(t *testing.T) {
	for _, tt := range []struct {
		look liveLook
		want liveVerdict
	}{
		{liveLook{present: 3, fresh: 1, want: 3, started: hostsOf("h1")}, livePresent},
		{liveLook{present: 4, fresh: 1, want: 3, started: hostsOf("h1")}, livePresent}, // a stranger
		{liveLook{present: 3, fresh: 0, want: 3, started: hostsOf("h1")}, liveMissing}, // it was there before
		{liveLook{present: 2, fresh: 1, want: 3, started: hostsOf("h1")}, liveMissing}, // one is missing
		{liveLook{present: 3, fresh: 1, want: 3, started: hostsOf("h1", "h2")}, liveMissing},
		{liveLook{present: 3, fresh: 1, want: 2, started: hostsOf("h1"), starting: 1}, liveUnknown},
		{liveLook{present: 3, fresh: 2, want: 2, started: hostsOf("h1"), starting: 1}, livePresent},
		{liveLook{present: 3, fresh: 3, want: 3, started: hostsOf("h1", "h2", "h3")}, livePresent}, // first deployment
		{liveLook{present: 3, fresh: 3, want: 3, started: hostsOf("h1"), silent: errNotAsked}, liveUnknown},
		{liveLook{want: 3, started: hostsOf("h1")}, liveUnknown},
	} {
		if got := tt.look.verdict(); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.look, got, tt.want)
		}
	}
}

func hostsOf(hosts ...string) map[string]bool {
	out := map[string]bool{}
	for _, h := range hosts {
		out[h] = true
	}
	return out
}

// What is said of a wait names what is missing, and nothing of what Redis answered.
func TestTheGateOfLiveSaysWhatIsMissing(t *testing.T) {
	s, _, _ := liveRun(t, nil, func(s *scripted, _ *fleettest.Live) { s.hosts.Host("h3").Strays = true })
	said := slices.IndexFunc(s.events, func(e event.Event) bool {
		return e.Kind == event.StepProgress && e.Host == "h3" && strings.Contains(e.Message, "want 3: Redis has 2 nodes, 0 of 1 new ones; h1: 3 nodes")
	})
	if said < 0 {
		t.Error("nothing was said of it")
	}
}
