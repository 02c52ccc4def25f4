package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/inventory"
)

// question is one of init's: what it asks, and the flag that answers it.
type question struct {
	flag      string // "": the arguments answer it
	into      *string
	text      string
	otherwise string
	optional  bool // asked only where no host was named on the command line
	wrong     func(answer string) error
}

// askInit asks for what the command line did not say. Nothing is written before all is
// answered; an answer that cannot be is asked for again.
func (a *app) askInit(ctx context.Context, o *initOptions, given func(flag string) bool) error {
	hosts := strings.Join(o.hosts, " ")
	whole := hosts == ""
	told := false
	for _, q := range initQuestions(o, &hosts) {
		if o.extends != "" && q.flag != "" && q.flag != "cluster" {
			continue // the file that several inventories share says it
		}
		if *q.into != "" || q.flag != "" && given(q.flag) || q.optional && !whole {
			continue
		}
		if !told {
			fmt.Fprintln(a.streams.Err, "A few questions; Enter takes what is in brackets, Ctrl-C ends it and nothing is written.")
			told = true
		}
		if err := a.askUntilRight(ctx, q); err != nil {
			return err
		}
	}
	o.hosts = words(hosts)
	return nil
}

func words(text string) []string { return strings.Fields(strings.ReplaceAll(text, ",", " ")) }

func initQuestions(o *initOptions, hosts *string) []question {
	port := func() string {
		if o.database == "mysql" {
			return "3306"
		}
		return "5432"
	}
	return []question{
		{into: hosts, text: "Hosts, separated by spaces (name, name=address or user@name)", wrong: o.wrongHosts},
		{flag: "user", into: &o.user, text: "Login user on them, empty for what ~/.ssh/config says"},
		{flag: "database", into: &o.database, text: "Database, postgres or mysql", otherwise: "postgres", wrong: wrongDatabase},
		{flag: "database-host", into: &o.databaseHost, text: "Database server, host or host:port", wrong: func(s string) error {
			if s == "" {
				return errors.New("all hosts share one database: name its server, the port defaults to " + port())
			}
			return wrongHostPort(s)
		}},
		{flag: "root-url", into: &o.rootURL, text: "Address that users go to, with http:// or https://", wrong: wrongURL},
		{flag: "grafana-version", into: &o.version, text: "Version of Grafana", otherwise: defaultVersion, optional: true},
		{flag: "cluster", into: &o.cluster, text: "Name of the cluster", otherwise: "grafana", optional: true},
		{flag: "redis", into: &o.redis, text: "Redis for Grafana Live, host:port, empty for none", optional: true, wrong: wrongHostPort},
		{flag: "haproxy", into: &o.balancer, text: "Host that runs HAProxy before them, empty for none", optional: true},
	}
}

func (a *app) askUntilRight(ctx context.Context, q question) error {
	for {
		answer, err := ui.Question(ctx, a.streams, q.text, q.otherwise)
		if err != nil {
			return err
		}
		if q.wrong != nil {
			if err := q.wrong(answer); err != nil {
				fmt.Fprintf(a.streams.Err, "  %s\n", ui.Clean(err.Error()))
				continue
			}
		}
		*q.into = answer
		return nil
	}
}

// wrongHosts finds out by writing an inventory of them, to nowhere.
func (o *initOptions) wrongHosts(answer string) error {
	if len(words(answer)) == 0 {
		return errors.New("name at least one host")
	}
	_, err := inventory.Scaffold(inventory.ScaffoldInput{Hosts: words(answer), Version: cmp.Or(o.version, defaultVersion)})
	if mistakes, ok := errors.AsType[inventory.Diagnostics](err); ok && len(mistakes) > 0 {
		return errors.New(mistakes[0].Message)
	}
	return err
}

func wrongDatabase(answer string) error {
	if answer != "postgres" && answer != "mysql" {
		return errors.New("postgres or mysql (MariaDB too)")
	}
	return nil
}

func wrongHostPort(answer string) error {
	if strings.ContainsAny(answer, " /@\"'") {
		return errors.New("that is no host or host:port")
	}
	return nil
}

func wrongURL(answer string) error {
	u, err := url.Parse(answer)
	if answer == "" || err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" {
		return nil
	}
	return errors.New("an address begins with http:// or https://, as users type it; empty leaves it for later")
}
