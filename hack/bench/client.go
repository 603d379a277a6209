package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/iotfile-operator/iotfile-operator/client"
	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// copyCommand makes this program copy a file with the Go client, in a process of its own.
const copyCommand = "copy"

// copier is a program that copies a file to a store and back.
type copier struct {
	name string
	// command is how it copies from one place to another; remote is the file's name behind the API.
	command func(up bool, local, remote string) *exec.Cmd
}

// copied is what one direction of a copier took, by rounds.
type copied struct {
	rate, cpu, peak []float64 // MB/s; CPU-seconds per GiB, and MiB of resident memory, of the copier
}

// measureClient copies a file up and down with the Go client and the command line through the
// operator, and with other programs straight to the same store, in turn.
func measureClient(ctx context.Context, b *testbed, s settings) error {
	local := filepath.Join(b.dir, "local.bin")
	if err := writeNoise(local, s.mebibyte); err != nil {
		return err
	}
	for _, st := range b.stores {
		copiers, err := startCopiers(ctx, b, s, st)
		if err != nil {
			return err
		}
		results := map[string]*copied{}
		for round := range s.rounds {
			for i := range copiers {
				c := copiers[(i+round)%len(copiers)] // so that none always comes after the same
				if err := c.roundTrip(s, local, fmt.Sprintf("%s-%d.bin", strings.ReplaceAll(c.name, " ", "-"), round), results); err != nil {
					return fmt.Errorf("%s: %w", c.name, err)
				}
			}
			fmt.Fprintf(os.Stderr, "%s: round %d of %d\n", st.name, round+1, s.rounds)
		}
		printCopied(st.name, s, copiers, results)
	}
	return nil
}

// writeNoise makes a file of random bytes, each mebibyte another one.
func writeNoise(path string, mebibyte int) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	for i := range mebibyte {
		piece := slices.Clone(noise)
		for at := 0; at < len(piece); at += 4096 {
			copy(piece[at:], strconv.Itoa(i*4096+at))
		}
		if _, err := file.Write(piece); err != nil {
			return errors.Join(err, file.Close())
		}
	}
	return file.Close()
}

// startCopiers are the Go client, the command line that stands on it, and those of the others that
// are installed.
func startCopiers(ctx context.Context, b *testbed, s settings, st *store) ([]copier, error) {
	token, err := b.system.ControlPlane.ApplicationToken(ctx, st.name, "bench", 2*time.Hour)
	if err != nil {
		return nil, err
	}
	tokenFile := filepath.Join(b.dir, st.name+".token")
	if err := os.WriteFile(tokenFile, []byte(token), 0o600); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	url, parallel := b.system.Operator.URL+"/namespaces/"+st.name, strconv.Itoa(s.parallel[0])
	ours := copier{"Go client", func(up bool, local, remote string) *exec.Cmd {
		return exec.CommandContext(ctx, self, copyCommand, strconv.FormatBool(up), url, tokenFile, local, entity+"/"+remote, strconv.Itoa(s.part<<20), parallel)
	}}
	program := filepath.Join(b.dir, "kubectl-iotfile")
	if err := devcluster.BuildCLI(ctx, os.Stderr, program); err != nil {
		return nil, err
	}
	cli := copier{"kubectl iotfile", func(up bool, local, remote string) *exec.Cmd {
		flags := []string{"get", "--force"}
		if up {
			flags = []string{"put"}
		}
		flags = append(flags, "--server="+b.system.Operator.URL, "--namespace="+st.name, "--token-file="+tokenFile, "--part-size="+strconv.Itoa(s.part)+"Mi", "--parallel="+parallel)
		return exec.CommandContext(ctx, program, append(flags, direction(up, local, entity+"/"+remote)...)...)
	}}
	return append([]copier{ours, cli}, others(ctx, s, st)...), nil
}

// others are the programs that are installed, each with the settings that it has by default but for
// the size of parts and how many there are at once, where it is told on the command line.
func others(ctx context.Context, s settings, st *store) (copiers []copier) {
	parallel := strconv.Itoa(s.parallel[0])
	keys := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "AWS_ACCESS_KEY_ID=" + st.accessKey, "AWS_SECRET_ACCESS_KEY=" + st.secretKey, "AWS_DEFAULT_REGION=" + region}
	if _, err := exec.LookPath("aws"); err == nil {
		copiers = append(copiers, copier{"aws s3 cp", func(up bool, local, remote string) *exec.Cmd {
			return withKeys(keys, exec.CommandContext(ctx, "aws", append([]string{"--endpoint-url", st.endpoint, "s3", "cp", "--only-show-errors"}, direction(up, local, "s3://"+bucket+"/"+remote)...)...))
		}})
	}
	if _, err := exec.LookPath("rclone"); err == nil {
		copiers = append(copiers, copier{"rclone copyto", func(up bool, local, remote string) *exec.Cmd {
			flags := []string{
				"copyto", "--config=/dev/null", "--s3-provider=Other", "--s3-env-auth", "--s3-endpoint=" + st.endpoint, "--s3-region=" + region, "--s3-no-check-bucket",
				"--s3-chunk-size=" + strconv.Itoa(s.part) + "Mi", "--s3-upload-concurrency=" + parallel, "--multi-thread-streams=" + parallel, "--log-level=ERROR",
			}
			return withKeys(keys, exec.CommandContext(ctx, "rclone", append(flags, direction(up, local, ":s3:"+bucket+"/"+remote)...)...))
		}})
	}
	return copiers
}

func withKeys(keys []string, cmd *exec.Cmd) *exec.Cmd {
	cmd.Env = keys
	return cmd
}

// direction gives from and to.
func direction(up bool, local, remote string) []string {
	if up {
		return []string{local, remote}
	}
	return []string{remote, local}
}

// roundTrip copies the file up, and down to another name.
func (c copier) roundTrip(s settings, local, remote string, results map[string]*copied) error {
	back := local + ".back"
	defer func() { _ = os.Remove(back) }()
	for _, up := range []bool{true, false} {
		to := local
		if !up {
			to = back
		}
		cmd := c.command(up, to, remote)
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		began := time.Now()
		peak, err := runMeasured(cmd)
		if err != nil {
			return err
		}
		took := time.Since(began)
		used := cmd.ProcessState.SysUsage().(*syscall.Rusage)
		key := c.name + strconv.FormatBool(up)
		if results[key] == nil {
			results[key] = &copied{}
		}
		r, gib := results[key], float64(s.mebibyte)/1024
		r.rate = append(r.rate, gib*1073.741824/took.Seconds())
		r.cpu = append(r.cpu, cpuOf(*used)/gib)
		r.peak = append(r.peak, peak)
	}
	return nil
}

// runMeasured runs a program and returns the peak of its resident memory in MiB. It is looked at
// all the time: what the kernel tells at the end has this process's own in it.
func runMeasured(cmd *exec.Cmd) (peak float64, err error) {
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended, looked := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(looked)
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			select {
			case <-ended:
				tick.Stop()
				return
			case <-tick.C:
				if now, err := memoryOf(cmd.Process.Pid, "VmHWM"); err == nil {
					peak = max(peak, now)
				}
			}
		}
	}()
	err = cmd.Wait()
	close(ended)
	<-looked
	return peak, err
}

// printCopied prints a table for a store: the ratio is that of the rate to the better of the
// others.
func printCopied(name string, s settings, copiers []copier, results map[string]*copied) {
	fmt.Printf("\n%s, %d MiB in parts of %d MiB, medians of %d rounds\n\n| program | direction | MB/s | to the best other | CPU-s/GiB | MiB at the peak |\n|---|---|--:|--:|--:|--:|\n", name, s.mebibyte, s.part, s.rounds)
	for _, up := range []bool{true, false} {
		for _, c := range copiers {
			best := 0.0
			for _, other := range copiers {
				if other.name != c.name {
					best = max(best, median(results[other.name+strconv.FormatBool(up)].rate))
				}
			}
			r := results[c.name+strconv.FormatBool(up)]
			way := map[bool]string{true: "up", false: "down"}[up]
			fmt.Printf("| %s | %s | %.0f | %.2f | %.2f | %.0f |\n", c.name, way, median(r.rate), median(r.rate)/best, median(r.cpu), slices.Max(r.peak))
		}
	}
}

// runCopy copies one file with the Go client: up or not, URL, token file, local file, path, part
// size in bytes, how many at once.
func runCopy(args []string) error {
	if len(args) != 7 {
		return errors.New("copy: " + strings.Join(args, " "))
	}
	client, err := iotfile.New(args[1], &iotfile.Options{Token: iotfile.TokenFile(args[2])})
	if err != nil {
		return err
	}
	part, err := strconv.ParseInt(args[5], 10, 64)
	if err != nil {
		return err
	}
	parallel, err := strconv.Atoi(args[6])
	if err != nil {
		return err
	}
	file, err := os.OpenFile(args[3], os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if args[0] != "true" {
		_, err = client.Download(context.Background(), args[4], file, &iotfile.DownloadOptions{PartSize: part, Concurrency: parallel})
		return err
	}
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	_, err = client.Upload(context.Background(), args[4], file, size, &iotfile.UploadOptions{PartSize: part, Concurrency: parallel})
	return err
}
