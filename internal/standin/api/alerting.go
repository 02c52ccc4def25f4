package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/standin/alerting"
	"github.com/ghadeploy/ghadeploy/internal/standin/store"
)

func (s *server) alertingRoutes() {
	const rules, am = "/api/v1/provisioning/alert-rules", "/api/alertmanager/grafana"
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
	s.signedIn("GET "+am+"/api/v2/silences", func(*http.Request, store.User) (any, error) { return s.Alerting.Silences("") })
	s.signedIn("POST "+am+"/api/v2/silences", s.silence)
	s.signedIn("GET "+am+"/api/v2/silence/{id}", s.getSilence)
	s.signedIn("DELETE "+am+"/api/v2/silence/{id}", s.deleteSilence)
	s.signedIn("GET "+am+"/api/v2/alerts", func(*http.Request, store.User) (any, error) { return s.Alerting.Alerts(), nil })
	s.signedIn("GET "+am+"/config/api/v1/alerts", func(r *http.Request, _ store.User) (any, error) {
		return alerting.LoadConfig(r.Context(), s.Store)
	})
	s.signedIn("GET /api/prometheus/grafana/api/v1/rules", s.ruleStates)
	s.signedIn("GET /api/ruler/grafana/api/v1/rules", s.ruler)
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

// updateRuleGroup sets the interval and saves the rules that are given.
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
	for _, rule := range in.Rules {
		rule.FolderUID, rule.Group, rule.Provenance = r.PathValue("folder"), r.PathValue("group"), "api"
		if _, err := s.Store.SaveRule(r.Context(), rule); err != nil {
			return nil, err
		}
	}
	if err := s.Store.SetGroupInterval(r.Context(), r.PathValue("folder"), r.PathValue("group"), interval); err != nil {
		return nil, err
	}
	return in, nil
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

// ruler lists the rules by folder title and group.
func (s *server) ruler(r *http.Request, _ store.User) (any, error) {
	rules, err := s.Store.Rules(r.Context())
	if err != nil {
		return nil, err
	}
	type group struct {
		Name     string           `json:"name"`
		Interval string           `json:"interval"`
		Rules    []map[string]any `json:"rules"`
	}
	out := map[string][]group{}
	for _, rule := range rules {
		title := rule.FolderUID
		if folder, err := s.Store.Dashboard(r.Context(), rule.FolderUID, true); err == nil {
			title = folder.Title
		}
		body := map[string]any{"grafana_alert": map[string]any{"uid": rule.UID, "title": rule.Title, "condition": rule.Condition, "data": json.RawMessage(rule.Data), "namespace_uid": rule.FolderUID}}
		i := slices.IndexFunc(out[title], func(g group) bool { return g.Name == rule.Group })
		if i < 0 {
			out[title] = append(out[title], group{Name: rule.Group, Interval: rule.Interval.String()})
			i = len(out[title]) - 1
		}
		out[title][i].Rules = append(out[title][i].Rules, body)
	}
	return out, nil
}
