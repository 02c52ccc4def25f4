package verify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	rulerPath     = "/api/ruler/grafana/api/v1/rules/"
	ruleGroupPath = "/api/v1/provisioning/folder/%s/rule-groups/%s"
	alertRulePath = "/api/v1/provisioning/alert-rules/"
)

// makeRule makes a rule that is always true, in a group with the interval: with
// the calls of Grafana's own pages or, where there are none, of provisioning.
func (t *alertTest) makeRule(ctx context.Context, interval time.Duration) error {
	first := t.p.nodes[0]
	labels := map[string]string{alertLabel: t.p.nonce}
	annotations := map[string]string{"summary": "a test of ghadeploy verify, removed at its end"}
	data := []any{map[string]any{"refId": "A", "queryType": "", "datasourceUid": "__expr__",
		"relativeTimeRange": map[string]int{"from": 0, "to": 0},
		"model": map[string]any{"refId": "A", "type": "math", "expression": "1 == 1",
			"datasource": map[string]string{"type": "__expr__", "uid": "__expr__"}}}}
	err := first.call(ctx, http.MethodPost, rulerPath+t.name,
		map[string]any{"name": t.name, "interval": interval.String(), "rules": []any{map[string]any{
			"for": "0s", "labels": labels, "annotations": annotations,
			"grafana_alert": map[string]any{"title": t.name, "condition": "A", "no_data_state": "NoData", "exec_err_state": "Error", "data": data},
		}}}, nil)
	if !refused(err) {
		return err
	}
	rule := map[string]any{
		"uid": t.name, "orgID": first.orgID, "folderUID": t.name, "ruleGroup": t.name, "title": t.name, "condition": "A",
		"for": "0s", "noDataState": "NoData", "execErrState": "Error", "labels": labels, "annotations": annotations, "data": data,
	}
	// A rule of its own first: the group's call makes none that has a uid (10.3), and
	// a new group is evaluated every minute.
	if err2 := first.call(ctx, http.MethodPost, strings.TrimSuffix(alertRulePath, "/"), rule, nil, forPeople); err2 != nil {
		return errors.Join(err, err2)
	}
	if err := first.call(ctx, http.MethodPut, fmt.Sprintf(ruleGroupPath, t.name, t.name), map[string]any{
		"title": t.name, "folderUid": t.name, "interval": int64(interval.Seconds()), "rules": []any{rule},
	}, nil, forPeople); err != nil {
		t.p.progress("alert", "the rule is evaluated every minute, not every %s: %s", interval, err)
	}
	return nil
}

// deleteRule removes it, in whichever of the two ways it was made.
func (t *alertTest) deleteRule(ctx context.Context) error {
	first := t.p.nodes[0]
	err := first.call(ctx, http.MethodDelete, rulerPath+t.name+"/"+t.name, nil, nil)
	if !refused(err) {
		return err
	}
	return first.call(ctx, http.MethodDelete, alertRulePath+t.name, nil, nil, forPeople)
}
