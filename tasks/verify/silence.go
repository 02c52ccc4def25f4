package verify

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
)

// alertLabel marks what belongs to a run of verify; its value is the nonce.
const alertLabel = "ghadeploy_verify"

// silenceLimit is how long a silence may take to the other nodes. Gossip takes
// some 200 ms; the push-pull that repairs a lost message comes every 60 s.
const silenceLimit = 10 * time.Second

const silencePath = "/api/alertmanager/grafana/api/v2/silence"

type matcher struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	IsRegex bool   `json:"isRegex"`
	IsEqual bool   `json:"isEqual"`
}

// silence makes a silence that matches our own alert only, and ends by itself.
func (p *proof) silence(ctx context.Context, n *node, value string) (id string, err error) {
	now := time.Now().UTC()
	var made struct {
		ID  string `json:"silenceID"`
		Old string `json:"id"` // Grafana 8
	}
	err = n.call(ctx, http.MethodPost, "/api/alertmanager/grafana/api/v2/silences", map[string]any{
		"matchers": []matcher{{Name: alertLabel, Value: value, IsEqual: true}},
		"startsAt": now.Format(time.RFC3339Nano), "endsAt": now.Add(10 * time.Minute).Format(time.RFC3339Nano),
		"createdBy": "ghadeploy", "comment": "ghadeploy-verify: a test, may be removed",
	}, &made)
	if made.ID == "" {
		made.ID = made.Old
	}
	if err == nil && made.ID == "" {
		err = fmt.Errorf("%s: made a silence without an id", n.name())
	}
	return made.ID, err
}

// unsilence ends a silence, also when the run was cancelled.
func (p *proof) unsilence(ctx context.Context, n *node, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	return n.call(ctx, http.MethodDelete, silencePath+"/"+id, nil, nil)
}

// silences proves that a silence made on a node is seen on the next.
func (p *proof) silences(ctx context.Context) {
	what := "a silence made on one is seen on the other"
	if why := p.noUnifiedAlerting(); why != nil {
		p.record(Step{Name: "silence", Explanation: what}, "", why)
		return
	}
	for i, a := range p.nodes {
		b := p.nodes[(i+1)%len(p.nodes)]
		p.step(ctx, Step{Name: "silence", From: a.name(), To: b.name(), Explanation: what}, func(ctx context.Context) (saw string, err error) {
			id, err := p.silence(ctx, a, p.nonce+"-none")
			if err != nil {
				return "", &failure{"making a silence failed: " + err.Error(), p.command("logs", "--limit "+a.name())}
			}
			defer func() {
				if e := p.unsilence(ctx, a, id); e != nil && err == nil {
					err = fmt.Errorf("the silence is seen but could not be removed (it ends within 10 minutes): %w", e)
				}
			}()
			if err := until(ctx, silenceLimit, 100*time.Millisecond, func(ctx context.Context) error {
				return b.call(ctx, http.MethodGet, silencePath+"/"+id, nil, nil)
			}); err != nil {
				return "", &failure{fmt.Sprintf("%s does not know of it after %s: the alerting of %s and %s is not one cluster", b.name(), silenceLimit,
					a.name(), b.name()),
					"see step members; " + p.command("check", "")}
			}
			return "", nil
		})
	}
}

func (p *proof) noUnifiedAlerting() error {
	if why := p.noAlertingCluster(); why != nil {
		return why
	}
	if len(p.nodes) < 2 {
		return &skip{"it takes two nodes that one can log in to"}
	}
	return nil
}

// noAlertingCluster is why there is no cluster of Alertmanagers: what the version cannot do
// comes before what the inventory says, which had no choice then.
func (p *proof) noAlertingCluster() error {
	switch {
	case p.before(grafana.HasUnifiedAlerting):
		return p.legacyAlerting()
	case p.in.Cluster.Alerting.Legacy:
		return &skip{"legacy alerting shares nothing but the database"}
	case p.in.Cluster.Alerting.HA == "none" || p.in.Cluster.Alerting.HA == "":
		return &skip{"alerting.ha is none"}
	}
	return nil
}

// before says whether the nodes' version is known, and is one that has not got something yet.
func (p *proof) before(has func(grafana.Version) bool) bool {
	return len(p.nodes) > 0 && !p.nodes[0].version.IsZero() && !has(p.nodes[0].version)
}

// legacyAlerting is why alerting is not proved on the nodes' version.
func (p *proof) legacyAlerting() error {
	return &unproved{p.nodes[0].version, "its alerting shares nothing but the database"}
}
