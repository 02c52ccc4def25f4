package alerting

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/alertmanager/types"
	"github.com/prometheus/common/model"
)

const webhookTimeout = 30 * time.Second

// notifier sends webhooks; every other kind of contact point only logs.
type notifier struct {
	kind, receiver, root        string
	url, method, user, password string
	resolve                     bool
	log                         *slog.Logger
	metrics                     *metrics
}

// SendResolved is whether the end of an alert is told.
func (n *notifier) SendResolved() bool { return n.resolve }

// message is Grafana's webhook body, without images.
type message struct {
	Receiver          string      `json:"receiver"`
	Status            string      `json:"status"`
	Alerts            []alert     `json:"alerts"`
	GroupLabels       template.KV `json:"groupLabels"`
	CommonLabels      template.KV `json:"commonLabels"`
	CommonAnnotations template.KV `json:"commonAnnotations"`
	ExternalURL       string      `json:"externalURL"`
	Version           string      `json:"version"`
	GroupKey          string      `json:"groupKey"`
	TruncatedAlerts   int         `json:"truncatedAlerts"`
	OrgID             int64       `json:"orgId"`
	Title             string      `json:"title"`
	State             string      `json:"state"`
	Message           string      `json:"message"`
}

type alert struct {
	Status       string    `json:"status"`
	Labels       any       `json:"labels"`
	Annotations  any       `json:"annotations"`
	StartsAt     time.Time `json:"startsAt"`
	EndsAt       time.Time `json:"endsAt"`
	GeneratorURL string    `json:"generatorURL"`
	Fingerprint  string    `json:"fingerprint"`
}

// Notify sends the alerts; true when it is worth to try again.
func (n *notifier) Notify(ctx context.Context, alerts ...*types.Alert) (bool, error) {
	n.metrics.notifications.WithLabelValues("1", n.kind).Inc()
	if n.kind != "webhook" {
		n.log.Info("The stand-in sends only webhooks", "receiver", n.receiver)
		return false, nil
	}
	retry, err := n.send(ctx, alerts)
	if err != nil {
		n.metrics.failed.WithLabelValues("1", n.kind).Inc()
	}
	return retry, err
}

func (n *notifier) send(ctx context.Context, alerts []*types.Alert) (bool, error) {
	key, err := notify.ExtractGroupKey(ctx)
	if err != nil {
		return false, err
	}
	body, err := json.Marshal(n.message(ctx, key.String(), alerts))
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, webhookTimeout)
	defer cancel()
	method := n.method
	if method == "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, n.url, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Grafana")
	if n.user != "" {
		req.SetBasicAuth(n.user, n.password)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return true, err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer)) // so that the connection is used again
	if res.StatusCode/100 != 2 {
		return true, fmt.Errorf("failed to send HTTP request - status code %d", res.StatusCode)
	}
	return false, nil
}

const maxAnswer = 1 << 20

func (n *notifier) message(ctx context.Context, key string, alerts []*types.Alert) message {
	status := types.Alerts(alerts...).Status()
	m := message{Receiver: n.receiver, Status: string(status), ExternalURL: n.root, Version: "1", GroupKey: key, OrgID: 1, State: "ok",
		GroupLabels: template.KV{}, CommonLabels: template.KV{}, CommonAnnotations: template.KV{}}
	if status == model.AlertFiring {
		m.State = "alerting"
	}
	if labels, ok := notify.GroupLabels(ctx); ok {
		for k, v := range labels {
			m.GroupLabels[string(k)] = string(v)
		}
	}
	for i, a := range alerts {
		m.Alerts = append(m.Alerts, alert{
			Status: string(a.Status()), Labels: a.Labels, Annotations: a.Annotations, StartsAt: a.StartsAt, EndsAt: a.EndsAt,
			GeneratorURL: a.GeneratorURL, Fingerprint: a.Fingerprint().String(),
		})
		common(m.CommonLabels, a.Labels, i == 0)
		common(m.CommonAnnotations, a.Annotations, i == 0)
	}
	m.Title = fmt.Sprintf("[%s:%d] %s", m.Status, len(alerts), m.GroupLabels["alertname"])
	return m
}

// common keeps in kv what set has too.
func common(kv template.KV, set model.LabelSet, first bool) {
	if first {
		for k, v := range set {
			kv[string(k)] = string(v)
		}
		return
	}
	for k, v := range kv {
		if string(set[model.LabelName(k)]) != v {
			delete(kv, k)
		}
	}
}
