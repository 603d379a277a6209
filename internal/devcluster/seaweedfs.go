package devcluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// seaweedPorts is the number of ports of the S3 gateway: S3, and one for gRPC, which else would be
// ten thousand higher and could be anybody's.
const seaweedPorts = 2

// The first ports of the servers behind the gateway; that for gRPC follows each.
const (
	seaweedMasterPort = 0
	seaweedVolumePort = 2
	seaweedFilerPort  = 4
)

// startSeaweedFS starts what keeps the files: master, volume server and filer, in one process. The
// gateway is another one, as where it has replicas, since a start of these takes half a minute.
func (s *ObjectStore) startSeaweedFS(ctx context.Context) error {
	data := filepath.Join(s.dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	servers := server{
		wanted: make([]int, 6),
		memory: filepath.Join(s.dir, "server-ports.json"),
		limit:  2 * time.Minute,
		start: func(ports []int) (*process, error) {
			args := []string{
				"-logtostderr", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-dir=" + data,
				"-volume.max=100", "-master.volumeSizeLimitMB=256", "-filer",
			}
			for name, first := range map[string]int{"master": seaweedMasterPort, "volume": seaweedVolumePort, "filer": seaweedFilerPort} {
				args = append(args, fmt.Sprintf("-%s.port=%d", name, ports[first]), fmt.Sprintf("-%s.port.grpc=%d", name, ports[first+1]))
			}
			return s.help(processSpec{name: "seaweedfs-servers", path: s.program, args: args})
		},
		ready: func(ctx context.Context, ports []int) error {
			return getOK(ctx, client, "http://"+address(ports[seaweedFilerPort])+"/")
		},
	}
	_, ports, err := servers.run(ctx)
	s.helperPorts = ports
	return err
}

// seaweedServer names one of the servers as the others do: HOST:PORT.GRPC.
func (s *ObjectStore) seaweedServer(first int) string {
	return fmt.Sprintf("%s.%d", address(s.helperPorts[first].number), s.helperPorts[first+1].number)
}

// seaweedFS completes the spec of the S3 gateway.
func (s *ObjectStore) seaweedFS(spec *processSpec, ports []int) error {
	type object = map[string]any
	identities, err := json.Marshal(object{"identities": []object{{
		"name":        "administrator",
		"credentials": []object{{"accessKey": s.AccessKey, "secretKey": s.SecretKey}},
		"actions":     []string{"Admin", "Read", "Write", "List", "Tagging"},
	}}})
	if err != nil {
		return err
	}
	config := filepath.Join(s.dir, "s3.json")
	if err := writeFile(config, identities); err != nil {
		return err
	}
	spec.args = []string{
		"-logtostderr", "s3", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer=" + s.seaweedServer(seaweedFilerPort), "-config=" + config,
		fmt.Sprintf("-port=%d", ports[0]), fmt.Sprintf("-port.grpc=%d", ports[1]), "-port.iceberg=0", "-port.lance=0",
	}
	return nil
}
