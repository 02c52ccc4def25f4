package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/standin/alerting"
	"github.com/ghadeploy/ghadeploy/internal/standin/store"
)

func (s *server) alertingRoutes() {
	const am = "/api/alertmanager/grafana"
	if s.Profile.Alerting.Provisioning {
		s.provisioningRoutes()
	}
	s.signedIn("GET "+am+"/api/v2/silences", func(*http.Request, store.User) (any, error) { return s.Alerting.Silences("") })
	s.signedIn("POST "+am+"/api/v2/silences", s.silence)
	s.signedIn("GET "+am+"/api/v2/silence/{id}", s.getSilence)
	s.signedIn("DELETE "+am+"/api/v2/silence/{id}", s.deleteSilence)
	s.signedIn("GET "+am+"/api/v2/alerts", func(r *http.Request, _ store.User) (any, error) {
		alerts, err := s.Alerting.Alerts(r.URL.Query()["filter"])
		if err != nil {
			return nil, fail(http.StatusBadRequest, err.Error())
		}
		return alerts, nil
	})
	s.signedIn("GET "+am+"/config/api/v1/receivers", func(*http.Request, store.User) (any, error) { return s.Alerting.Receivers(), nil })
	if s.Profile.Alerting.ConfigPost && !s.Faults.NoConfigPost {
		s.admin("POST "+am+"/config/api/v1/alerts", s.postConfig)
	}
	s.signedIn("GET "+am+"/config/api/v1/alerts", func(r *http.Request, _ store.User) (any, error) {
		return alerting.LoadConfig(r.Context(), s.Store)
	})
	s.signedIn("GET /api/prometheus/grafana/api/v1/rules", s.ruleStates)
	s.rulerRoutes()
}

func (s *server) provisioningRoutes() {
	const rules = "/api/v1/provisioning/alert-rules"
	s.signedIn("GET "+rules, func(r *http.Request, _ store.User) (any, error) { return s.Store.Rules(r.Context()) })
	s.signedIn("GET "+rules+"/{uid}", s.rule)
	s.admin("POST "+rules, s.createRule)
	s.admin("PUT "+rules+"/{uid}", s.updateRule)
	s.admin("DELETE "+rules+"/{uid}", func(r *http.Request, _ store.User) (any, error) {
		return with{status: http.StatusNoContent}, s.Store.DeleteRule(r.Context(), r.PathValue("uid"))
	})
	s.signedIn("GET /api/v1/provisioning/folder/{folder}/rule-groups/{group}", s.ruleGroup)
	s.admin("PUT /api/v1/provisioning/folder/{folder}/rule-groups/{group}", s.updateRuleGroup)
	s.contactRoutes()
}

func (s *server) rule(r *http.Request, _ store.User) (any, error) {
	rule, err := s.Store.Rule(r.Context(), r.PathValue("uid"))
	if errors.Is(err, store.ErrNotFound) {
		return nil, fail(http.StatusNotFound, "")
	}
	return rule, err
}

func (s *server) readRule(r *http.Request) (store.Rule, error) {
	rule := store.Rule{NoDataState: "NoData", ExecErrState: "Error"}
	if err := readJSON(r, &rule); err != nil {
		return rule, err
	}
	switch {
	case rule.Title == "" || rule.Group == "" || rule.FolderUID == "":
		return rule, fail(http.StatusBadRequest, "invalid alert rule: title, ruleGroup and folderUID are required")
	case rule.Condition == "" || len(rule.Data) == 0:
		return rule, fail(http.StatusBadRequest, "invalid alert rule: no queries or expressions are found")
	}
	if _, err := s.Store.Dashboard(r.Context(), rule.FolderUID, true); err != nil {
		return rule, fail(http.StatusBadRequest, "invalid alert rule: folder does not exist")
	}
	if r.Header.Get("X-Disable-Provenance") == "" {
		rule.Provenance = "api"
	}
	return rule, nil
}

func (s *server) createRule(r *http.Request, _ store.User) (any, error) {
	rule, err := s.readRule(r)
	if err != nil {
		return nil, err
	}
	if _, err := s.Store.Rule(r.Context(), rule.UID); rule.UID != "" && err == nil {
		return nil, fail(http.StatusConflict, "alert rule with this uid already exists")
	}
	rule, err = s.Store.SaveRule(r.Context(), rule)
	return with{http.StatusCreated, rule}, err
}

func (s *server) updateRule(r *http.Request, _ store.User) (any, error) {
	rule, err := s.readRule(r)
	if err != nil {
		return nil, err
	}
	rule.UID = r.PathValue("uid")
	if _, err := s.Store.Rule(r.Context(), rule.UID); err != nil {
		return nil, err
	}
	return s.Store.SaveRule(r.Context(), rule)
}

func (s *server) ruleGroup(r *http.Request, _ store.User) (any, error) {
	folder, group := r.PathValue("folder"), r.PathValue("group")
	rules, err := s.Store.Rules(r.Context())
	if err != nil {
		return nil, err
	}
	rules = slices.DeleteFunc(rules, func(rule store.Rule) bool { return rule.FolderUID != folder || rule.Group != group })
	if len(rules) == 0 {
		return nil, fail(http.StatusNotFound, "")
	}
	return map[string]any{"title": group, "folderUid": folder, "interval": int64(rules[0].Interval.Seconds()), "rules": rules}, nil
}

// updateRuleGroup makes a group what is given.
func (s *server) updateRuleGroup(r *http.Request, _ store.User) (any, error) {
	var in struct {
		Title     string       `json:"title"`
		FolderUID string       `json:"folderUid"`
		Interval  int64        `json:"interval"`
		Rules     []store.Rule `json:"rules"`
	}
	if err := readJSON(r, &in); err != nil {
		return nil, err
	}
	interval := time.Duration(in.Interval) * time.Second
	if interval <= 0 || interval%(10*time.Second) != 0 {
		return nil, fail(http.StatusBadRequest, "interval should be non-zero and divided exactly by scheduler interval: 10")
	}
	for i := range in.Rules {
		if _, err := s.Store.Rule(r.Context(), in.Rules[i].UID); in.Rules[i].UID != "" && err != nil {
			return nil, fail(http.StatusInternalServerError, "failed to calculate diff for alert rules: failed to update rule with UID "+in.Rules[i].UID+" because could not find alert rule")
		}
		if in.Rules[i].Provenance = "api"; r.Header.Get("X-Disable-Provenance") != "" {
			in.Rules[i].Provenance = ""
		}
	}
	return in, s.saveGroup(r.Context(), r.PathValue("folder"), r.PathValue("group"), interval, in.Rules)
}

// saveGroup gives a group these rules and no others.
func (s *server) saveGroup(ctx context.Context, folder, group string, interval time.Duration, rules []store.Rule) error {
	keep := map[string]bool{}
	for _, rule := range rules {
		rule.FolderUID, rule.Group = folder, group
		saved, err := s.Store.SaveRule(ctx, rule)
		if err != nil {
			return err
		}
		keep[saved.UID] = true
	}
	all, err := s.Store.Rules(ctx)
	if err != nil {
		return err
	}
	for _, rule := range all {
		if rule.FolderUID == folder && rule.Group == group && !keep[rule.UID] {
			if err := s.Store.DeleteRule(ctx, rule.UID); err != nil {
				return err
			}
		}
	}
	if len(rules) == 0 {
		return nil
	}
	return s.Store.SetGroupInterval(ctx, folder, group, interval)
}

// postConfig saves a whole configuration; this node takes it at once, the others
// with their next poll.
func (s *server) postConfig(r *http.Request, _ store.User) (any, error) {
	var in alerting.Config
	if err := readJSON(r, &in); err != nil {
		return nil, err
	}
	err := s.change(r, func(c *alerting.Config) error {
		if s.Profile.Alerting.PointsKept && in.ChangesPoints(*c) {
			return fail(http.StatusBadRequest, "cannot update receivers using this API while per-receiver RBAC is enabled; "+
				"either disable the `alertingApiServer` feature flag or use an API that supports per-receiver RBAC (e.g. provisioning or receivers API)")
		}
		if err := in.Guard(*c); err != nil {
			return fail(http.StatusBadRequest, err.Error())
		}
		*c = in
		return nil
	})
	if err != nil {
		return nil, err
	}
	return with{http.StatusAccepted, map[string]string{"message": "configuration created"}}, s.Alerting.Sync(r.Context())
}

func (s *server) silence(r *http.Request, _ store.User) (any, error) {
	var in alerting.Silence
	if err := readJSON(r, &in); err != nil {
		return nil, err
	}
	id, err := s.Alerting.Silence(in)
	if err != nil {
		return nil, fail(http.StatusBadRequest, err.Error())
	}
	return with{http.StatusAccepted, map[string]string{"silenceID": id}}, nil
}

func (s *server) getSilence(r *http.Request, _ store.User) (any, error) {
	list, err := s.Alerting.Silences(r.PathValue("id"))
	if errors.Is(err, alerting.ErrSilence) {
		return nil, fail(http.StatusNotFound, "silence not found")
	}
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

func (s *server) deleteSilence(r *http.Request, _ store.User) (any, error) {
	err := s.Alerting.Unsilence(r.PathValue("id"))
	if errors.Is(err, alerting.ErrSilence) {
		return nil, fail(http.StatusNotFound, "silence not found")
	}
	return map[string]string{"message": "silence deleted"}, err
}

func (s *server) ruleStates(r *http.Request, _ store.User) (any, error) {
	rules, err := s.Store.Rules(r.Context())
	if err != nil {
		return nil, err
	}
	names := map[string]string{"Alerting": "firing", "Error": "firing", "Pending": "pending"}
	states, groups := s.Alerting.States(), []any{}
	for _, rule := range rules {
		state := names[states[rule.UID]]
		if state == "" {
			state = "inactive"
		}
		groups = append(groups, map[string]any{"name": rule.Group, "file": rule.FolderUID, "interval": rule.Interval.Seconds(),
			"rules": []any{map[string]any{"name": rule.Title, "state": state, "health": "ok", "type": "alerting", "labels": rule.Labels}}})
	}
	return map[string]any{"status": "success", "data": map[string]any{"groups": groups}}, nil
}
