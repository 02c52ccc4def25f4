package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"github.com/ghadeploy/ghadeploy/internal/standin/store"
)

// The rules as Grafana's own pages read and write them.
func (s *server) rulerRoutes() {
	const rules = "/api/ruler/grafana/api/v1/rules"
	s.signedIn("GET "+rules, s.ruler)
	s.signedIn("GET "+rules+"/{folder}", s.ruler)
	s.signedIn("POST "+rules+"/{folder}", s.postGroup)
	s.signedIn("DELETE "+rules+"/{folder}", s.deleteGroup)
	s.signedIn("DELETE "+rules+"/{folder}/{group}", s.deleteGroup)
}

// rulerGroup is a rule group on the wire.
type rulerGroup struct {
	Name     string         `json:"name"`
	Interval model.Duration `json:"interval"`
	Rules    []rulerRule    `json:"rules"`
}

type rulerRule struct {
	For          store.Duration    `json:"for"`
	Labels       map[string]string `json:"labels,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	GrafanaAlert grafanaAlert      `json:"grafana_alert"`
}

type grafanaAlert struct {
	UID          string          `json:"uid,omitempty"`
	Title        string          `json:"title"`
	Condition    string          `json:"condition"`
	Data         json.RawMessage `json:"data"`
	NamespaceUID string          `json:"namespace_uid,omitempty"`
	RuleGroup    string          `json:"rule_group,omitempty"`
	NoDataState  string          `json:"no_data_state"`
	ExecErrState string          `json:"exec_err_state"`
	IsPaused     bool            `json:"is_paused"`
	Provenance   string          `json:"provenance,omitempty"`
}

// namespace is the folder in the path: its title until 10.4, its uid since 11.0.
func (s *server) namespace(r *http.Request) (store.Dashboard, error) {
	all, err := s.Store.Dashboards(r.Context(), "")
	if err != nil {
		return store.Dashboard{}, err
	}
	i := slices.IndexFunc(all, func(d store.Dashboard) bool {
		name := d.Title
		if s.Profile.Alerting.FoldersByUID {
			name = d.UID
		}
		return d.IsFolder && name == r.PathValue("folder")
	})
	if i < 0 {
		return store.Dashboard{}, fail(http.StatusNotFound, "folder not found")
	}
	return all[i], nil
}

// ruler lists the rules by folder title and group; of one folder when the path
// has one.
func (s *server) ruler(r *http.Request, _ store.User) (any, error) {
	only := ""
	if r.PathValue("folder") != "" {
		folder, err := s.namespace(r)
		if err != nil {
			return nil, err
		}
		only = folder.UID
	}
	rules, err := s.Store.Rules(r.Context())
	if err != nil {
		return nil, err
	}
	out := map[string][]rulerGroup{}
	for _, rule := range rules {
		if only != "" && rule.FolderUID != only {
			continue
		}
		title := rule.FolderUID
		if folder, err := s.Store.Dashboard(r.Context(), rule.FolderUID, true); err == nil {
			title = folder.Title
		}
		i := slices.IndexFunc(out[title], func(g rulerGroup) bool { return g.Name == rule.Group })
		if i < 0 {
			out[title] = append(out[title], rulerGroup{Name: rule.Group, Interval: model.Duration(rule.Interval)})
			i = len(out[title]) - 1
		}
		out[title][i].Rules = append(out[title][i].Rules, rulerRule{rule.For, rule.Labels, rule.Annotations, grafanaAlert{
			UID: rule.UID, Title: rule.Title, Condition: rule.Condition, Data: rule.Data, NamespaceUID: rule.FolderUID, RuleGroup: rule.Group,
			NoDataState: rule.NoDataState, ExecErrState: rule.ExecErrState, IsPaused: rule.IsPaused, Provenance: rule.Provenance,
		}})
	}
	if only != "" {
		return with{http.StatusAccepted, out}, nil
	}
	return out, nil
}

// postGroup makes a group what is given. Rules that the provisioning API or files
// manage are not for the pages to change.
func (s *server) postGroup(r *http.Request, _ store.User) (any, error) {
	folder, err := s.namespace(r)
	if err != nil {
		return nil, err
	}
	var in rulerGroup
	if err := readJSON(r, &in); err != nil {
		return nil, err
	}
	interval := time.Duration(in.Interval)
	if interval == 0 {
		interval = store.DefaultInterval
	}
	if in.Name == "" || interval < 0 || interval%(10*time.Second) != 0 {
		return nil, fail(http.StatusBadRequest, "rule evaluation interval should be positive number that is multiple of the base interval of 10 seconds")
	}
	if err := s.managedByPeople(r, folder.UID, in.Name); err != nil {
		return nil, err
	}
	var rules []store.Rule
	for _, rule := range in.Rules {
		a := rule.GrafanaAlert
		if a.Title == "" || a.Condition == "" || len(a.Data) == 0 {
			return nil, fail(http.StatusBadRequest, "invalid rule specification: title, condition and data are required")
		}
		rules = append(rules, store.Rule{UID: a.UID, Title: a.Title, Condition: a.Condition, Data: a.Data, NoDataState: a.NoDataState, ExecErrState: a.ExecErrState,
			For: rule.For, Labels: rule.Labels, Annotations: rule.Annotations, IsPaused: a.IsPaused})
	}
	if err := s.saveGroup(r.Context(), folder.UID, in.Name, interval, rules); err != nil {
		return nil, err
	}
	return with{http.StatusAccepted, map[string]string{"message": "rule group updated successfully"}}, nil
}

func (s *server) managedByPeople(r *http.Request, folder, group string) error {
	rules, err := s.Store.Rules(r.Context())
	if err != nil {
		return err
	}
	if slices.ContainsFunc(rules, func(rule store.Rule) bool {
		return rule.FolderUID == folder && (group == "" || rule.Group == group) && rule.Provenance != ""
	}) {
		return fail(http.StatusBadRequest, "failed to update rule group: request affects resources created via provisioning API")
	}
	return nil
}

func (s *server) deleteGroup(r *http.Request, _ store.User) (any, error) {
	folder, err := s.namespace(r)
	if err != nil {
		return nil, err
	}
	group := r.PathValue("group")
	if err := s.managedByPeople(r, folder.UID, group); err != nil {
		return nil, err
	}
	rules, err := s.Store.Rules(r.Context())
	if err != nil {
		return nil, err
	}
	for _, rule := range rules {
		if rule.FolderUID == folder.UID && (group == "" || rule.Group == group) {
			if err := s.Store.DeleteRule(r.Context(), rule.UID); err != nil {
				return nil, err
			}
		}
	}
	return with{http.StatusAccepted, map[string]string{"message": "rules deleted"}}, nil
}
