package provisioning

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/ghadeploy/ghadeploy/internal/standin/alerting"
	"github.com/ghadeploy/ghadeploy/internal/standin/settings"
	"github.com/ghadeploy/ghadeploy/internal/standin/store"
)

// file is a provisioning file for alerting; what it shares with the API is
// taken over through JSON.
type file struct {
	Groups []struct {
		Name, Folder, Interval string
		Rules                  []map[string]any
	}
	ContactPoints []struct {
		Name      string
		Receivers []map[string]any
	} `yaml:"contactPoints"`
	Policies []map[string]any
}

func (p provisioner) alerting(_ map[string]any, text []byte) error {
	var in file
	if err := yaml.Unmarshal(text, &in); err != nil {
		return err
	}
	for _, g := range in.Groups {
		if g.Name == "" || g.Folder == "" {
			return errors.New("rule group has no name or no folder set")
		}
		interval, err := settings.ParseDuration(g.Interval)
		if err != nil {
			return fmt.Errorf("rule group %s: %w", g.Name, err)
		}
		folder, err := p.folder(g.Folder, "")
		if err != nil {
			return err
		}
		for _, r := range g.Rules {
			if err := p.rule(r, folder, g.Name); err != nil {
				return fmt.Errorf("rule group %s: %w", g.Name, err)
			}
		}
		if err := p.store.SetGroupInterval(p.ctx, folder, g.Name, interval.Round(time.Second)); err != nil {
			return fmt.Errorf("rule group %s: %w", g.Name, err)
		}
	}
	if len(in.ContactPoints) == 0 && len(in.Policies) == 0 {
		return nil
	}
	return p.config(in)
}

func (p provisioner) rule(raw map[string]any, folder, group string) error {
	rule := store.Rule{NoDataState: "NoData", ExecErrState: "Error"}
	if err := convert(raw, &rule); err != nil {
		return err
	}
	if rule.UID == "" || rule.Title == "" {
		return errors.New("a rule needs a uid and a title")
	}
	rule.FolderUID, rule.Group, rule.Provenance = folder, group, "file"
	_, err := p.store.SaveRule(p.ctx, rule)
	return err
}

func (p provisioner) config(in file) error {
	c, err := alerting.LoadConfig(p.ctx, p.store)
	if err != nil {
		return err
	}
	am := &c.Alertmanager
	for _, cp := range in.ContactPoints {
		rc := alerting.Receiver{Name: cp.Name}
		for _, raw := range cp.Receivers {
			point := alerting.ContactPoint{Name: cp.Name, Provenance: "file"}
			if err := convert(raw, &point); err != nil {
				return fmt.Errorf("contact point %s: %w", cp.Name, err)
			}
			rc.ContactPoints = append(rc.ContactPoints, point)
		}
		replace(&am.Receivers, rc)
	}
	for _, raw := range in.Policies {
		var route alerting.Route
		if err := convert(raw, &route); err != nil {
			return fmt.Errorf("policies: %w", err)
		}
		route.Provenance = "file"
		am.Route = route
	}
	return alerting.SaveConfig(p.ctx, p.store, c)
}

func replace(list *[]alerting.Receiver, rc alerting.Receiver) {
	for i := range *list {
		if (*list)[i].Name == rc.Name {
			(*list)[i] = rc
			return
		}
	}
	*list = append(*list, rc)
}

func convert(from map[string]any, to any) error {
	b, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, to)
}
