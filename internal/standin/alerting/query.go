package alerting

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ghadeploy/ghadeploy/internal/standin/store"
)

// query is one element of a rule's data.
type query struct {
	RefID         string
	DatasourceUID string
	Model         struct {
		Type       string // of an expression: math, reduce, threshold
		Expression string
		Reducer    string
		Conditions []struct {
			Evaluator struct {
				Type   string
				Params []float64
			}
		}
		ScenarioID  string
		StringInput string
	}
}

const expressionSource = "__expr__"

// evaluate runs a rule's queries in order and reports whether its condition
// holds, with the value of each query.
func evaluate(ctx context.Context, st *store.Store, r store.Rule) (bool, map[string]float64, error) {
	var queries []query
	if err := json.Unmarshal(r.Data, &queries); err != nil {
		return false, nil, fmt.Errorf("reading queries: %w", err)
	}
	series, values := map[string][]float64{}, map[string]float64{}
	for _, q := range queries {
		points, err := q.run(ctx, st, series, values)
		if err != nil {
			return false, nil, fmt.Errorf("failed to execute query %s: %w", q.RefID, err)
		}
		series[q.RefID] = points
		if len(points) > 0 {
			values[q.RefID] = points[len(points)-1]
		}
	}
	v, ok := values[r.Condition]
	if !ok {
		return false, nil, fmt.Errorf("condition %s has no value", r.Condition)
	}
	return v != 0, values, nil
}

func (q query) run(ctx context.Context, st *store.Store, series map[string][]float64, values map[string]float64) ([]float64, error) {
	if q.DatasourceUID == expressionSource || q.DatasourceUID == "-100" {
		v, err := q.express(series, values)
		return []float64{v}, err
	}
	ds, err := st.DataSource(ctx, q.DatasourceUID)
	if err != nil {
		return nil, fmt.Errorf("data source %s: %w", q.DatasourceUID, err)
	}
	if !strings.Contains(ds.Type, "testdata") {
		return nil, fmt.Errorf("the stand-in queries only TestData, not %s", ds.Type)
	}
	if q.Model.ScenarioID == "csv_metric_values" {
		return numbers(q.Model.StringInput)
	}
	return []float64{1}, nil
}

func numbers(list string) ([]float64, error) {
	var out []float64
	for s := range strings.SplitSeq(list, ",") {
		v, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (q query) express(series map[string][]float64, values map[string]float64) (float64, error) {
	ref := strings.Trim(q.Model.Expression, "${}")
	switch q.Model.Type {
	case "math":
		return calculate(q.Model.Expression, values)
	case "reduce":
		return reduce(q.Model.Reducer, series[ref])
	case "threshold":
		v, ok := values[ref]
		if !ok || len(q.Model.Conditions) == 0 {
			return 0, fmt.Errorf("threshold on %q has no input or no condition", ref)
		}
		e := q.Model.Conditions[0].Evaluator
		return exceeds(e.Type, e.Params, v)
	}
	return 0, fmt.Errorf("the stand-in has no expression of type %q", q.Model.Type)
}

func reduce(how string, points []float64) (float64, error) {
	if len(points) == 0 {
		return 0, fmt.Errorf("nothing to reduce")
	}
	sum := 0.0
	for _, p := range points {
		sum += p
	}
	switch how {
	case "last":
		return points[len(points)-1], nil
	case "min":
		return slices.Min(points), nil
	case "max":
		return slices.Max(points), nil
	case "sum":
		return sum, nil
	case "count":
		return float64(len(points)), nil
	case "mean":
		return sum / float64(len(points)), nil
	}
	return 0, fmt.Errorf("the stand-in has no reducer %q", how)
}

func exceeds(how string, params []float64, v float64) (float64, error) {
	need := map[string]int{"gt": 1, "lt": 1, "within_range": 2, "outside_range": 2}[how]
	if need == 0 || len(params) < need {
		return 0, fmt.Errorf("the stand-in has no threshold %q with %d parameters", how, len(params))
	}
	switch how {
	case "gt":
		return truth(v > params[0]), nil
	case "lt":
		return truth(v < params[0]), nil
	case "within_range":
		return truth(v > params[0] && v < params[1]), nil
	}
	return truth(v < params[0] || v > params[1]), nil
}
