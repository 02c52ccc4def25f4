package provisioning

import (
	"encoding/json"
	"errors"
	"fmt"

	"gopkg.in/yaml.v3"

	"github.com/ghadeploy/ghadeploy/internal/standin/store"
)

func (p provisioner) datasources(_ map[string]any, text []byte) error {
	var in struct {
		Datasources []struct {
			Name, Type, Access, UID, URL, User, Database string
			IsDefault                                    bool              `yaml:"isDefault"`
			Editable                                     bool              `yaml:"editable"`
			JSONData                                     map[string]any    `yaml:"jsonData"`
			SecureJSONData                               map[string]string `yaml:"secureJsonData"`
		}
	}
	if err := yaml.Unmarshal(text, &in); err != nil {
		return err
	}
	defaults := 0
	for _, d := range in.Datasources {
		if d.IsDefault {
			defaults++
		}
		if d.Name == "" || d.Type == "" {
			return errors.New("a data source needs a name and a type")
		}
	}
	if defaults > 1 {
		return errors.New("datasource.yaml config is invalid. Only one datasource per organization can be marked as default")
	}
	for _, d := range in.Datasources {
		data, err := json.Marshal(d.JSONData)
		if err != nil {
			return err
		}
		if d.JSONData == nil {
			data = []byte("{}")
		}
		if d.Access == "" {
			d.Access = "proxy"
		}
		row := store.DataSource{UID: d.UID, Name: d.Name, Type: d.Type, Access: d.Access, URL: d.URL, User: d.User, Database: d.Database,
			IsDefault: d.IsDefault, ReadOnly: !d.Editable, JSON: data, Secure: d.SecureJSONData}
		if err := p.put(row); err != nil {
			return fmt.Errorf("data source %s: %w", d.Name, err)
		}
	}
	return nil
}

func (p provisioner) put(d store.DataSource) error {
	old, err := p.store.DataSource(p.ctx, d.Name)
	if err == nil {
		if d.UID == "" {
			d.UID = old.UID
		}
		if err := p.store.DeleteDataSource(p.ctx, old.UID); err != nil {
			return err
		}
	} else if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	_, err = p.store.AddDataSource(p.ctx, d)
	return err
}
