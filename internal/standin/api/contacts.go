package api

import (
	"net/http"
	"slices"

	"github.com/ghadeploy/ghadeploy/internal/standin/alerting"
	"github.com/ghadeploy/ghadeploy/internal/standin/store"
)

func (s *server) contactRoutes() {
	const points, policies = "/api/v1/provisioning/contact-points", "/api/v1/provisioning/policies"
	s.signedIn("GET "+points, s.contactPoints)
	s.admin("POST "+points, s.createContactPoint)
	s.admin("PUT "+points+"/{uid}", s.updateContactPoint)
	s.admin("DELETE "+points+"/{uid}", s.deleteContactPoint)
	s.signedIn("GET "+policies, func(r *http.Request, _ store.User) (any, error) {
		c, err := alerting.LoadConfig(r.Context(), s.Store)
		return c.Alertmanager.Route, err
	})
	s.admin("PUT "+policies, s.setPolicies)
	s.admin("DELETE "+policies, s.resetPolicies)
}

func (s *server) contactPoints(r *http.Request, _ store.User) (any, error) {
	c, err := alerting.LoadConfig(r.Context(), s.Store)
	out := []alerting.ContactPoint{}
	for _, rc := range c.Alertmanager.Receivers {
		for _, cp := range rc.ContactPoints {
			if name := r.URL.Query().Get("name"); name == "" || name == cp.Name {
				out = append(out, cp)
			}
		}
	}
	return out, err
}

func (s *server) readContactPoint(r *http.Request) (alerting.ContactPoint, error) {
	var cp alerting.ContactPoint
	if err := readJSON(r, &cp); err != nil {
		return cp, err
	}
	if cp.Name == "" || cp.Type == "" || len(cp.Settings) == 0 {
		return cp, fail(http.StatusBadRequest, "invalid contact point: name, type and settings are required")
	}
	if r.Header.Get("X-Disable-Provenance") == "" {
		cp.Provenance = "api"
	}
	return cp, nil
}

// change loads, edits and saves the configuration.
func (s *server) change(r *http.Request, edit func(*alerting.Config) error) error {
	c, err := alerting.LoadConfig(r.Context(), s.Store)
	if err != nil {
		return err
	}
	if err := edit(&c); err != nil {
		return err
	}
	if err := alerting.SaveConfig(r.Context(), s.Store, c); err != nil {
		return fail(http.StatusBadRequest, err.Error())
	}
	return nil
}

func (s *server) createContactPoint(r *http.Request, _ store.User) (any, error) {
	cp, err := s.readContactPoint(r)
	if err != nil {
		return nil, err
	}
	if cp.UID == "" {
		cp.UID = store.NewUID()
	}
	err = s.change(r, func(c *alerting.Config) error {
		if find(c, cp.UID) != nil {
			return fail(http.StatusConflict, "contact point with this uid already exists")
		}
		add(c, cp)
		return nil
	})
	return with{http.StatusAccepted, cp}, err
}

func (s *server) updateContactPoint(r *http.Request, _ store.User) (any, error) {
	cp, err := s.readContactPoint(r)
	if err != nil {
		return nil, err
	}
	cp.UID = r.PathValue("uid")
	err = s.change(r, func(c *alerting.Config) error {
		old := find(c, cp.UID)
		if old == nil {
			return fail(http.StatusNotFound, "contact point not found")
		}
		*old = cp
		return nil
	})
	return with{http.StatusAccepted, map[string]string{"message": "contactpoint updated"}}, err
}

func (s *server) deleteContactPoint(r *http.Request, _ store.User) (any, error) {
	err := s.change(r, func(c *alerting.Config) error {
		before := slices.Clone(c.Alertmanager.Receivers)
		remove(c, r.PathValue("uid"))
		for _, rc := range before {
			gone := !slices.ContainsFunc(c.Alertmanager.Receivers, func(kept alerting.Receiver) bool { return kept.Name == rc.Name })
			if gone && c.Alertmanager.Route.Uses(rc.Name) {
				return fail(http.StatusInternalServerError, "contact point '"+rc.Name+"' is currently used by a notification policy")
			}
		}
		return nil
	})
	return with{http.StatusAccepted, map[string]string{"message": "contactpoint deleted"}}, err
}

func find(c *alerting.Config, uid string) *alerting.ContactPoint {
	for i := range c.Alertmanager.Receivers {
		points := c.Alertmanager.Receivers[i].ContactPoints
		for j := range points {
			if points[j].UID == uid {
				return &points[j]
			}
		}
	}
	return nil
}

func add(c *alerting.Config, cp alerting.ContactPoint) {
	for i := range c.Alertmanager.Receivers {
		if rc := &c.Alertmanager.Receivers[i]; rc.Name == cp.Name {
			rc.ContactPoints = append(rc.ContactPoints, cp)
			return
		}
	}
	c.Alertmanager.Receivers = append(c.Alertmanager.Receivers, alerting.Receiver{Name: cp.Name, ContactPoints: []alerting.ContactPoint{cp}})
}

// remove takes a contact point out, and its receiver with the last one.
func remove(c *alerting.Config, uid string) {
	for i := range c.Alertmanager.Receivers {
		rc := &c.Alertmanager.Receivers[i]
		rc.ContactPoints = slices.DeleteFunc(rc.ContactPoints, func(cp alerting.ContactPoint) bool { return cp.UID == uid })
	}
	c.Alertmanager.Receivers = slices.DeleteFunc(c.Alertmanager.Receivers, func(rc alerting.Receiver) bool { return len(rc.ContactPoints) == 0 })
}

func (s *server) setPolicies(r *http.Request, _ store.User) (any, error) {
	var route alerting.Route
	if err := readJSON(r, &route); err != nil {
		return nil, err
	}
	if r.Header.Get("X-Disable-Provenance") == "" {
		route.Provenance = "api"
	}
	err := s.change(r, func(c *alerting.Config) error {
		c.Alertmanager.Route = route
		return nil
	})
	return with{http.StatusAccepted, map[string]string{"message": "policies updated"}}, err
}

func (s *server) resetPolicies(r *http.Request, _ store.User) (any, error) {
	err := s.change(r, func(c *alerting.Config) error {
		fresh := alerting.DefaultConfig()
		c.Alertmanager.Route = fresh.Alertmanager.Route
		if !slices.ContainsFunc(c.Alertmanager.Receivers, func(rc alerting.Receiver) bool { return rc.Name == c.Alertmanager.Route.Receiver }) {
			c.Alertmanager.Receivers = append(c.Alertmanager.Receivers, fresh.Alertmanager.Receivers...)
		}
		return nil
	})
	return with{http.StatusAccepted, map[string]string{"message": "policies deleted"}}, err
}
