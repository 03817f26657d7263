// Evaluates alerting rules with the rule engine of Prometheus, on series of DaemonSet statuses.
//
// Usage: alert-rules RULES.yaml < series.json > evaluations.json
//
// The input is {"seconds": [T, …], "series": {"NAMESPACE/NAME": [SAMPLE or null, …]}}: the times of the scrapes, and
// for each of them the sample of each DaemonSet; null is a scrape without the DaemonSet. The metrics of a sample are
// those of kube-state-metrics, internal/store/daemonset.go. After each scrape, every rule is evaluated at its time.
//
// The output has one list for each evaluation: the alerts that are active, each with its state and since when.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/tsdb"
)

type sample struct {
	Current      float64 `json:"current"`
	Desired      float64 `json:"desired"`
	Misscheduled float64 `json:"misscheduled"`
	Updated      float64 `json:"updated"`
	Available    float64 `json:"available"`
}

type input struct {
	Seconds []float64            `json:"seconds"`
	Series  map[string][]*sample `json:"series"`
}

type active struct {
	Alert         string `json:"alert"`
	DaemonSet     string `json:"daemonSet"`
	State         string `json:"state"`
	ActiveSeconds int64  `json:"activeSeconds"`
}

func (s sample) metrics() map[string]float64 {
	return map[string]float64{
		"kube_daemonset_status_current_number_scheduled": s.Current,
		"kube_daemonset_status_desired_number_scheduled": s.Desired,
		"kube_daemonset_status_number_misscheduled":      s.Misscheduled,
		"kube_daemonset_status_updated_number_scheduled": s.Updated,
		"kube_daemonset_status_number_available":         s.Available,
	}
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "alert-rules:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("usage: alert-rules RULES.yaml < series.json")
	}
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	promQL := parser.NewParser(parser.Options{})
	alerting, err := parse(os.Args[1], promQL, logger)
	if err != nil {
		return err
	}
	var in input
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "alert-rules")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	db, err := tsdb.Open(dir, logger, nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		return err
	}
	defer db.Close()
	engine := promql.NewEngine(promql.EngineOpts{
		Logger: logger, MaxSamples: 1_000_000, Timeout: time.Minute, LookbackDelta: 5 * time.Minute, Parser: promQL,
	})
	query := rules.EngineQueryFunc(engine, db)
	out := [][]active{}
	for i, seconds := range in.Seconds {
		// Not the epoch: an alert with the zero time would look inactive.
		at := time.UnixMilli(1_000_000_000_000 + int64(seconds*1000))
		if err := scrape(db, in.Series, i, at); err != nil {
			return err
		}
		now := []active{}
		for _, rule := range alerting {
			if _, err := rule.Eval(context.Background(), 0, at, query, nil, 0); err != nil {
				return err
			}
			for _, alert := range rule.ActiveAlerts() {
				name := alert.Labels.Get("namespace") + "/" + alert.Labels.Get("daemonset")
				seconds := int64(at.Sub(alert.ActiveAt).Seconds())
				now = append(now, active{rule.Name(), name, alert.State.String(), seconds})
			}
		}
		sort.Slice(now, func(a, b int) bool {
			return now[a].Alert+now[a].DaemonSet < now[b].Alert+now[b].DaemonSet
		})
		out = append(out, now)
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

func parse(file string, promQL parser.Parser, logger *slog.Logger) ([]*rules.AlertingRule, error) {
	groups, errs := rulefmt.ParseFile(file, false, model.UTF8Validation, promQL, logger)
	if len(errs) > 0 {
		return nil, errs[0]
	}
	var all []*rules.AlertingRule
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			expr, err := promQL.ParseExpr(rule.Expr)
			if err != nil {
				return nil, err
			}
			none := labels.EmptyLabels()
			all = append(all, rules.NewAlertingRule(
				rule.Alert, expr, time.Duration(rule.For), time.Duration(rule.KeepFiringFor),
				labels.FromMap(rule.Labels), labels.FromMap(rule.Annotations), none, "", true, logger,
			))
		}
	}
	return all, nil
}

// A series that a scrape no longer has gets a stale marker, as from a scrape of Prometheus.
func scrape(db *tsdb.DB, series map[string][]*sample, i int, at time.Time) error {
	appender := db.Appender(context.Background())
	for name, samples := range series {
		current := samples[i]
		isGone := current == nil
		if isGone {
			if i == 0 || samples[i-1] == nil {
				continue
			}
			current = &sample{}
		}
		namespace, daemonSet, _ := strings.Cut(name, "/")
		for metric, number := range current.metrics() {
			if isGone {
				number = math.Float64frombits(value.StaleNaN)
			}
			of := labels.FromStrings("__name__", metric, "job", "kube-state-metrics", "namespace", namespace, "daemonset", daemonSet)
			if _, err := appender.Append(0, of, at.UnixMilli(), number); err != nil {
				return err
			}
		}
	}
	return appender.Commit()
}
