package mask

import (
	"slices"

	"github.com/ghadeploy/ghadeploy/inventory"
)

// SecretsOf collects every secret of an inventory.
func SecretsOf(c *inventory.Cluster) (out []inventory.Secret) {
	add := func(s ...inventory.Secret) {
		for _, s := range s {
			if s.IsSet() {
				out = append(out, s)
			}
		}
	}
	redis := func(r inventory.Redis) {
		add(r.Password)
		if r.Sentinel != nil {
			add(r.Sentinel.Password)
		}
	}
	add(c.Grafana.SecretKey, c.Grafana.Admin.Password, c.Grafana.Renderer.Token, c.Database.Password)
	if c.Database.Create != nil {
		add(c.Database.Create.Password)
	}
	redis(c.Alerting.Redis)
	redis(c.Live.Redis)
	redis(c.RemoteCache.Redis)
	hosts := slices.Concat(c.Hosts, c.LoadBalancer.Hosts)
	for _, h := range hosts {
		add(h.SSH.Password, h.SSH.Become.Password)
		for _, s := range h.Config {
			for _, k := range s.Keys {
				if k.Value.IsSecret() {
					add(inventory.NewSecret(k.Value.Reveal(), ""))
				}
			}
		}
		for _, v := range h.Env {
			if v.IsSecret() {
				add(inventory.NewSecret(v.Reveal(), ""))
			}
		}
	}
	for _, n := range c.Notify {
		add(n.URL)
	}
	return out
}
