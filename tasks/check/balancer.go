package check

import "context"

// balancerChecks run the hook that knows the load balancers.
func balancerChecks() []unit {
	return []unit{{
		name: "balancer", about: "load balancers are reachable and know every host",
		skip: func(r *run) string {
			if t := r.Cluster.LoadBalancer.Type; t == "" || t == "none" || r.Balancer == nil {
				return "no load balancer to look at"
			}
			return ""
		},
		run: func(ctx context.Context, r *run) []Finding {
			ctx, cancel := context.WithTimeout(ctx, Probe)
			defer cancel()
			return r.Balancer(ctx)
		},
	}}
}
