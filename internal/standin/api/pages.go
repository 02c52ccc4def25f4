package api

import (
	"html/template"
	"net/http"
)

// The two pages that a person sees. The title says that this is no Grafana.
var pages = template.Must(template.New("").Parse(`
{{define "head"}}<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Stand-in for Grafana {{.Version}}</title>
<style>body{font:16px system-ui;max-width:40rem;margin:3rem auto;padding:0 1rem;color-scheme:light dark}td{padding:.2rem 1rem .2rem 0}</style>
<h1>Stand-in for Grafana {{.Version}}</h1>{{end}}
{{define "login"}}{{template "head" .}}<form><p><label>User <input name="user" autocomplete="username"></label> <label>Password <input name="password" type="password" autocomplete="current-password"></label> <button>Log in</button></p><p role="alert"></p></form>
<script>document.forms[0].onsubmit=async e=>{e.preventDefault();const r=await fetch("{{.SubPath}}/login",{method:"POST",headers:{"Content-Type":"application/json"},body:JSON.stringify(Object.fromEntries(new FormData(e.target)))});if(r.ok)location="{{.SubPath}}/";else document.querySelector("[role=alert]").textContent=(await r.json()).message}</script>{{end}}
{{define "home"}}{{template "head" .}}<p>Signed in as {{.User}} on node <strong>{{.Instance}}</strong>. <a href="{{.SubPath}}/logout">Log out</a></p>
<table>{{range .Counts}}<tr><td>{{.Name}}<td>{{.Value}}{{end}}</table>{{end}}`))

type page struct {
	Version, SubPath, Instance, User string
	Counts                           []count
}

type count struct {
	Name  string
	Value any
}

func (s *server) page() page {
	return page{Version: s.Version, SubPath: s.Settings.Server.SubPath, Instance: s.Settings.InstanceName}
}

func (s *server) loginPage(w http.ResponseWriter, _ *http.Request) { s.render(w, "login", s.page()) }

func (s *server) homePage(w http.ResponseWriter, r *http.Request) {
	user, err := s.authenticate(w, r)
	if err != nil {
		http.Redirect(w, r, s.Settings.Server.SubPath+"/login", http.StatusFound)
		return
	}
	p := s.page()
	p.User = user.Login
	if s.Alerting != nil {
		p.Counts = append(p.Counts, count{"Alerting position", s.Alerting.Position()})
	}
	for _, c := range []struct{ name, table, where string }{
		{"Dashboards", "dashboard", "NOT is_folder"}, {"Folders", "dashboard", "is_folder"}, {"Data sources", "data_source", ""}, {"Alert rules", "alert_rule", ""}, {"Users", "user", ""},
	} {
		if n, err := s.Store.Count(r.Context(), c.table, c.where); err == nil {
			p.Counts = append(p.Counts, count{c.name, n})
		}
	}
	s.render(w, "home", p)
}

func (s *server) render(w http.ResponseWriter, name string, p page) {
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	if err := pages.ExecuteTemplate(w, name, p); err != nil {
		s.Log.Error("rendering page", "page", name, "error", err)
	}
}
