package devcluster

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"time"
)

// PrometheusOptions say what a Prometheus does.
type PrometheusOptions struct {
	// Dir keeps its data and its log; required.
	Dir string
	// ConfigFile is its configuration: whom it scrapes, and its rules; required.
	ConfigFile string
	// Log is told of the build of the program. Default: silence.
	Log io.Writer
}

// Prometheus is a process of Prometheus.
type Prometheus struct {
	// URL is where its API is served, without a path.
	URL string
	// LogPath is its log.
	LogPath string

	process *process
	ports   []*port
}

// StartPrometheus starts Prometheus on a free port of 127.0.0.1 and returns when it is ready. Stop
// must be called; ctx bounds the start only. The first start on a machine builds the program.
func StartPrometheus(ctx context.Context, opts PrometheusOptions) (*Prometheus, error) {
	if opts.Dir == "" || opts.ConfigFile == "" {
		return nil, errors.New("prometheus: Dir and ConfigFile are required")
	}
	program, err := FindTool(ctx, opts.Log, PrometheusServer)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, err
	}
	p := &Prometheus{LogPath: filepath.Join(dir, "prometheus.log")}
	server := server{
		wanted: []int{0},
		limit:  time.Minute,
		start: func(ports []int) (*process, error) {
			return startProcess(processSpec{name: "prometheus", path: program, dir: dir, logPath: p.LogPath, args: []string{
				"--config.file=" + opts.ConfigFile, "--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + address(ports[0]),
			}})
		},
		ready: func(ctx context.Context, ports []int) error {
			return getOK(ctx, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, "http://"+address(ports[0])+"/-/ready")
		},
	}
	if p.process, p.ports, err = server.run(ctx); err != nil {
		return nil, err
	}
	p.URL = "http://" + address(p.ports[0].number)
	return p, nil
}

// Stop ends the process, and returns when it is gone. It is idempotent.
func (p *Prometheus) Stop() error {
	defer releasePorts(p.ports)
	return p.process.stop(10 * time.Second)
}
