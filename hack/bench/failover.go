package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// failoverLease is shorter than the operator's default, so that twenty kills take minutes.
// -operator-args wins over it.
const failoverLease = "--lease-duration=8s"

// failoverLimit bounds the wait for a start that succeeds.
const failoverLimit = 2 * time.Minute

// pair is two operators on one control plane.
type pair struct {
	options   [2]devcluster.OperatorOptions
	operators [2]*devcluster.Operator
	header    map[string]string
	namespace string
}

// measureFailover ends the leader of two operators, again and again, and measures how long it takes
// until the other one has opened an upload.
func measureFailover(ctx context.Context, b *testbed, s settings) (err error) {
	p, err := startPair(ctx, b, s)
	if err != nil {
		return err
	}
	defer func() {
		for _, o := range p.operators {
			err = errors.Join(err, o.Stop())
		}
	}()
	fmt.Printf("\nTime until a start succeeds through the other replica, %s %s\n\n| the leader is | p50 | max | of |\n|---|---|---|---|\n", failoverLease, s.operator)
	return p.failOvers(ctx, s.rounds)
}

// failOvers ends the leader in each way, so many times, and prints a row for each way.
func (p *pair) failOvers(ctx context.Context, rounds int) error {
	for _, how := range []struct {
		name string
		end  func(*devcluster.Operator) error
	}{
		{"killed (SIGKILL)", (*devcluster.Operator).Kill},
		{"terminated (SIGTERM)", (*devcluster.Operator).Terminate},
	} {
		var times []time.Duration
		for round := range rounds {
			took, err := p.failOver(ctx, fmt.Sprintf("%s-%d", how.name[:4], round), how.end)
			if err != nil {
				return fmt.Errorf("%s, round %d: %w", how.name, round, err)
			}
			times = append(times, took)
		}
		slices.Sort(times)
		fmt.Printf("| %s | %.2f s | %.2f s | %d |\n", how.name, times[len(times)/2].Seconds(), times[len(times)-1].Seconds(), len(times))
	}
	return nil
}

func startPair(ctx context.Context, b *testbed, s settings) (*pair, error) {
	if err := b.system.Operator.Stop(); err != nil { // it reconciles without a lease
		return nil, err
	}
	c, err := client.New(b.system.ControlPlane.RESTConfig(), client.Options{})
	if err != nil {
		return nil, err
	}
	// Its webhooks are gone with it.
	if err := c.DeleteAllOf(ctx, &admissionv1.ValidatingWebhookConfiguration{}); err != nil {
		return nil, err
	}
	kubeconfig, err := b.system.ControlPlane.OperatorKubeconfig(ctx)
	if err != nil {
		return nil, err
	}
	p := &pair{namespace: b.stores[0].name}
	token, err := b.system.ControlPlane.ApplicationToken(ctx, p.namespace, "bench", 2*time.Hour)
	if err != nil {
		return nil, err
	}
	p.header = map[string]string{"Authorization": "Bearer " + token}
	for i := range p.operators {
		p.options[i] = devcluster.OperatorOptions{
			Binary: filepath.Join(b.dir, "system", "bin", "operator"), Dir: filepath.Join(b.dir, "pair"), Name: fmt.Sprintf("operator-%d", i),
			Kubeconfig: kubeconfig, LeaderElect: true, Args: strings.Fields(failoverLease + " " + s.operator),
		}
		if p.operators[i], err = devcluster.StartOperator(ctx, p.options[i]); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// failOver ends the leader, measures, and starts it again.
func (p *pair) failOver(ctx context.Context, name string, end func(*devcluster.Operator) error) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, failoverLimit)
	defer cancel()
	leader, err := p.leader(ctx)
	if err != nil {
		return 0, err
	}
	// All is at rest, and the other one has what it needs to know of the token.
	if err := p.start(ctx, p.operators[1-leader], name+"-before"); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := end(p.operators[leader]); err != nil {
		return 0, err
	}
	if err := p.start(ctx, p.operators[1-leader], name); err != nil {
		return 0, err
	}
	took := time.Since(began)
	if err := p.operators[leader].Stop(); err != nil && ctx.Err() != nil {
		return 0, err
	}
	p.operators[leader], err = devcluster.StartOperator(ctx, p.options[leader])
	return took, err
}

// start opens an upload. It asks again where it is told to.
func (p *pair) start(ctx context.Context, through *devcluster.Operator, name string) error {
	url := fmt.Sprintf("%s/namespaces/%s/api/iotfile/v3/files/%s/failover/%s?upload=start", through.URL, p.namespace, entity, name)
	header := map[string]string{"Idempotency-Key": name}
	for key, value := range p.header {
		header[key] = value
	}
	for {
		_, err := request(ctx, http.DefaultClient, http.MethodPut, url, http.NoBody, 0, header)
		if err == nil || ctx.Err() != nil || !strings.HasPrefix(err.Error(), "503") {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// leader waits until one of the two reports in its metrics that it reconciles.
func (p *pair) leader(ctx context.Context) (int, error) {
	for ctx.Err() == nil {
		for i, o := range p.operators {
			if leads(ctx, o) {
				return i, nil
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	return 0, errors.New("neither of the operators leads")
}

func leads(ctx context.Context, o *devcluster.Operator) bool {
	text, err := get(ctx, http.DefaultClient, o.MetricsURL+"/metrics")
	return err == nil && strings.Contains(string(text), "\niotfile_leader 1\n")
}
