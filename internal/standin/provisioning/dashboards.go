package provisioning

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/ghadeploy/ghadeploy/internal/standin/store"
)

// seen is the kv_store namespace with the hash of each provisioned dashboard,
// so that the other nodes do not save it again.
const seen = "dashboard_provisioning"

func (p provisioner) dashboards(_ map[string]any, text []byte) error {
	var in struct {
		Providers []struct {
			Name      string
			Folder    string
			FolderUID string `yaml:"folderUid"`
			Type      string
			Options   struct{ Path string }
		}
	}
	if err := yaml.Unmarshal(text, &in); err != nil {
		return err
	}
	for _, pr := range in.Providers {
		if pr.Options.Path == "" {
			return fmt.Errorf("failed to load dashboards from provider %s, path param is not a string", pr.Name)
		}
		folder, err := p.folder(pr.Folder, pr.FolderUID)
		if err != nil {
			return err
		}
		err = filepath.WalkDir(pr.Options.Path, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(name, ".json") {
				return err
			}
			return p.dashboard(name, folder)
		})
		if err != nil {
			return fmt.Errorf("provider %s: %w", pr.Name, err)
		}
	}
	return nil
}

// folder returns the uid of a folder, made when absent; none for no title.
func (p provisioner) folder(title, uid string) (string, error) {
	if title == "" {
		return uid, nil
	}
	if uid == "" {
		sum := sha256.Sum256([]byte(title))
		uid = "f" + hex.EncodeToString(sum[:6]) // the same on every node
	}
	if _, err := p.store.Dashboard(p.ctx, uid, true); !errors.Is(err, store.ErrNotFound) {
		return uid, err
	}
	_, err := p.store.SaveDashboard(p.ctx, store.Dashboard{UID: uid, Title: title, IsFolder: true}, true)
	return uid, err
}

func (p provisioner) dashboard(name, folder string) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var head struct{ UID, Title string }
	if err := json.Unmarshal(b, &head); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if head.Title == "" {
		return fmt.Errorf("%s: Dashboard title cannot be empty", name)
	}
	sum := sha256.Sum256(append(b, folder...))
	hash := hex.EncodeToString(sum[:])
	if head.UID == "" {
		head.UID = "d" + hash[:12]
	}
	if old, err := p.store.Value(p.ctx, 1, seen, head.UID); err == nil && old == hash {
		return nil
	}
	if _, err := p.store.SaveDashboard(p.ctx, store.Dashboard{UID: head.UID, Title: head.Title, FolderUID: folder, Data: b}, true); err != nil {
		return err
	}
	return p.store.SetValue(p.ctx, 1, seen, head.UID, hash)
}
