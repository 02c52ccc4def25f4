// Package profile is the one place that says how a version of Grafana behaves
// otherwise than the stand-in does by itself. Handlers read it and never ask for
// a version. A row names where the fact is from: a file of the sources of the
// versions named, or what was recorded of a real server.
package profile

import (
	"path/filepath"

	"github.com/ghadeploy/ghadeploy/internal/standin/defaults"
)

// Profile is the behaviour of one version.
type Profile struct {
	Metrics  Metrics
	Live     Live
	Alerting Alerting
	// HealthSorted is whether /api/health sorts its fields by name instead of
	// saying database, version, commit.
	HealthSorted bool
	// Folders are made below paths.data at every start; one that cannot be made
	// ends the server with Denied, which has a place for its path.
	Folders []Folder
	// AsksToRotate answers 401 for a session to be rotated, which the page then does;
	// before, the server rotated it by itself.
	AsksToRotate bool
	// SaysNamespace is whether the front end's settings name the namespace.
	SaysNamespace bool
	// PlainAddress joins http_addr and http_port with a colon, whatever is in them.
	PlainAddress bool
	// AddressIsIP ends the server when http_addr is no IP address by itself: its
	// API server parses it, and wants no brackets.
	AddressIsIP bool
}

// Metrics are the names in /metrics.
type Metrics struct {
	// Database is whether the pools of connections are counted.
	Database bool
	// Prefixed puts grafana_ before the names of alerting's library.
	Prefixed bool
	// LiveNamespaces is whether Live's counters have the label channel_namespace.
	LiveNamespaces bool
}

// Live is what GET /api/live/ws speaks.
type Live struct {
	Served bool
	// Replies is the older protocol: a method by number, a result in every reply.
	Replies bool
	// Namespaces name a channel's organisation: default, org-2; else it is its number.
	Namespaces bool
	// Broadcast is whether there is grafana/broadcast/….
	Broadcast bool
	// Times are the histograms of newer centrifuge servers.
	Times bool
}

// Alerting is what unified alerting has.
type Alerting struct {
	// Gossip is whether the nodes know each other.
	Gossip bool
	// Provisioning is /api/v1/provisioning/….
	Provisioning bool
	// FoldersByUID is whether the ruler's paths name a folder by its uid, not its title.
	FoldersByUID bool
	// ConfigPost takes a whole Alertmanager configuration.
	ConfigPost bool
	// PointsKept is whether it refuses a whole configuration that changes a contact point.
	PointsKept bool
}

// Pool is a second pool of connections, that of unified storage.
type Pool struct {
	// Name is its label db_name.
	Name string
	// MaxOpen and MaxIdle are its limits; -1 is that of the main pool, 0 none.
	MaxOpen, MaxIdle int
}

// Folder is a folder below paths.data and what is said when it cannot be made.
type Folder struct{ Name, Denied string }

// Of is the profile of a version.
func Of(v defaults.Version) Profile {
	since := v.AtLeast
	p := Profile{
		Metrics: Metrics{
			Database:       since(9, 2) || since(9, 1) && v.Patch >= 3, // CHANGELOG 9.1.3, #54405
			Prefixed:       since(12, 4),                               // recorded: 12.3.0 has not, 12.4.0 has
			LiveNamespaces: since(11, 0),                               // recorded: 10.4.0 has not, 11.6.2 has (centrifuge 0.35)
		},
		Live: Live{
			Served:     since(8, 0),
			Replies:    !since(9, 2),  // CHANGELOG 9.2.0, #51977; 8.5.15 has centrifuge 0.19
			Namespaces: since(12, 0),  // pkg/services/live/orgchannel of 11.6.2 and 12.4.0
			Broadcast:  !since(12, 4), // pkg/services/live/features of 11.6.2 and 12.4.0
			Times:      since(11, 0),  // recorded: 10.4.0 has not, 11.6.2 and 12.4.0 have
		},
		Alerting: Alerting{
			Gossip:       since(8, 2), // #37920
			Provisioning: since(9, 0), // pkg/services/ngalert/api of 8.5.15 and 9.3.2
			FoldersByUID: since(11, 0),
			ConfigPost:   !since(12, 1),
			PointsKept:   since(11, 6), // pkg/services/ngalert/api/api_alertmanager_guards.go of 11.6.2
		},
		AsksToRotate:  since(10, 3),
		SaysNamespace: since(10, 3),  // pkg/api/dtos/frontend_settings.go of 10.3.1
		HealthSorted:  !since(11, 0), // pkg/api/http_server.go of 10.3.1 and 11.6.2
		PlainAddress:  !since(7, 0),  // pkg/api/http_server.go of 6.7.6 and 7.5.17
		AddressIsIP:   since(11, 0),  // pkg/services/apiserver/config.go of 11.6.2; 10.3.1 has it behind a toggle
		Folders:       folders(v),
	}
	return p
}

// StoragePool is the second pool of a version, if it has one: recorded of 11.6.2 and
// 12.4.0; pkg/storage/unified/sql/db/dbimpl/db_engine.go of 11.5.1 and 11.6.2 has no
// limit, that of 12.3.0 and 12.4.0 the main pool's.
func StoragePool(v defaults.Version) (Pool, bool) {
	switch {
	case v.AtLeast(12, 3):
		return Pool{Name: "unified_storage", MaxOpen: -1, MaxIdle: -1}, true
	case v.AtLeast(11, 3):
		return Pool{Name: "unified_storage", MaxOpen: 0, MaxIdle: 2}, true
	}
	return Pool{}, false
}

// folders: pkg/services/rendering/rendering.go of 6.7.6 to 12.4.0.
func folders(v defaults.Version) []Folder {
	const png, csv, pdf = "png", "csv", "pdf"
	switch {
	case v.AtLeast(11, 0):
		const denied = "failed to create directory %q: %w"
		return []Folder{{png, denied}, {csv, denied}, {pdf, denied}}
	case v.AtLeast(8, 0):
		return []Folder{{png, "failed to create images directory %q: %w"}, {csv, "failed to create CSVs directory %q: %w"}}
	}
	return []Folder{{png, "failed to create images directory %q: %w"}}
}

// Path is where the folder lies below data.
func (f Folder) Path(data string) string { return filepath.Join(data, f.Name) }
