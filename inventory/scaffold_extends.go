package inventory

import "errors"

// extending writes an inventory that extends a file: what makes the cluster, its own
// secrets, and what was said on the command line. It has to load with that file.
func (data scaffoldData) extending() ([]byte, error) {
	if data.Cluster == "" {
		return nil, errors.New("writing an inventory: name the cluster with --cluster, clusters with the same defaults need names of their own")
	}
	data.secrets()
	return data.fillIn(extendingTemplate, data.File)
}

const extendingTemplate = `# Inventory of one cluster. What it does not say stands in the file that it extends; what it
# says wins: maps merge key by key, lists and single values replace, an empty key takes one away.
#   ghadeploy docs             explains every key
extends: {{q .Extends}}

cluster: {{.Cluster}}
{{- if .User}}
ssh: {user: {{q .User}}}
{{- end}}

hosts:
{{- range .Lines}}
  {{.}}
{{- end}}

grafana:
{{- if .Version}}
  version: {{q .Version}}
{{- end}}
{{- if .RootURL}}
  root_url: {{q .RootURL}}
{{- end}}
  # Each cluster has secrets of its own.
  secret_key: {{q .SecretKey}}
  admin: {password: {{q .AdminPassword}}}

database:
{{- if .Database}}
  type: {{.Database}}
{{- end}}
{{- if .DatabaseHost}}
  host: {{q .DatabaseHost}}
{{- end}}
  password: {{q .DatabasePassword}}
{{- if .LiveRedis}}

live: {redis: {address: {{q .LiveRedis}}}}
{{- end}}
{{- if .Balancer}}

load_balancer: {type: haproxy, hosts: { {{- .Balancer}}: {}}}
{{- end}}
`
