package container

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/exec"

	"github.com/stateful-serverless/cloudstate/tck/target"
)

// Config says how a container is started.
type Config struct {
	// Ref is what to start; its scheme is image or dockerfile.
	Ref target.Ref
	// Env is what the program is told, as NAME=value; later entries win.
	Env []string
	// Published are ports of 127.0.0.1 by the port of the container that each leads to; none with the host's network.
	Published map[int]int
	// Data, when set, is a directory of this machine that the program finds at DataInside, whatever user it runs as.
	Data, DataInside string
	// Probe is called at each launch, and the probe that it returns is asked until the target is ready.
	Probe func() target.Probe
}

// Container is a target in a container. Its methods are safe for concurrent use.
type Container struct {
	config Config
	docker *testcontainers.DockerProvider
	image  string
	logs   target.Logs

	mu      sync.Mutex
	current testcontainers.Container // of the latest launch; nil before the first and after Close
	stop    string                   // the signal that asks its program to stop
	address netip.Addr               // its own, with a bridge
	exited  chan struct{}
	status  int64 // of the exit
	asked   bool  // its end was asked for
	probe   target.Probe
}

// New returns a container that is not started yet, with its image, which is built first if it has to be. The error says when there is no Docker engine, or no image.
func New(ctx context.Context, config Config) (*Container, error) {
	docker, err := engine()
	if err != nil {
		return nil, err
	}
	image, err := imageOf(ctx, docker, config.Ref)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", config.Ref, err)
	}
	gone := make(chan struct{})
	close(gone)
	return &Container{config: config, docker: docker, image: image, exited: gone}, nil
}

// Controlled returns true.
func (c *Container) Controlled() bool { return true }

// Start launches the target and waits until it is ready.
func (c *Container) Start(ctx context.Context, env ...string) error {
	if err := c.Launch(ctx, env...); err != nil {
		return err
	}
	return c.Ready(ctx)
}

// Launch starts the target in a new container and returns at once. env adds to or overrides the configured environment.
func (c *Container) Launch(ctx context.Context, env ...string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.exited:
	default:
		return fmt.Errorf("%s: %w", c.config.Ref, target.ErrRunning)
	}
	c.remove(ctx)
	made, err := c.docker.CreateContainer(ctx, c.request(env))
	if err != nil {
		return fmt.Errorf("%s: %w", c.config.Ref, err)
	}
	c.current = made
	c.logs.Mark()
	if c.config.Probe != nil {
		c.probe = c.config.Probe()
	}
	if err := made.Start(ctx); err != nil {
		c.remove(context.WithoutCancel(ctx))
		return fmt.Errorf("starting %s: %w", c.config.Ref, err)
	}
	seen, err := made.Inspect(ctx)
	if err != nil {
		c.remove(context.WithoutCancel(ctx))
		return fmt.Errorf("starting %s: %w", c.config.Ref, err)
	}
	c.stop = "SIGTERM"
	if seen.Config.StopSignal != "" {
		c.stop = seen.Config.StopSignal
	}
	if bridge, ok := seen.NetworkSettings.Networks["bridge"]; ok {
		c.address = bridge.IPAddress
	}
	exited := make(chan struct{})
	c.exited, c.asked = exited, false
	go c.follow(made.GetContainerID(), exited)
	return nil
}

// follow keeps what the program writes until it ends, and then its exit status.
func (c *Container) follow(id string, exited chan struct{}) {
	ctx := context.Background() // until the container is gone, whoever started it
	api := c.docker.Client()
	if written, err := api.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Follow: true}); err == nil {
		_, _ = stdcopy.StdCopy(&c.logs, &c.logs, written) // what is lost is told by the exit below
		_ = written.Close()
	}
	waiting := api.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	var note string
	var status int64 = -1
	select {
	case end := <-waiting.Result:
		status = end.StatusCode
		note = fmt.Sprintf("exit status %d", status)
	case err := <-waiting.Error:
		note = "it cannot be watched any more: " + err.Error()
	}
	if seen, err := api.ContainerInspect(ctx, id, client.ContainerInspectOptions{}); err == nil && seen.Container.State.OOMKilled {
		note += ", killed for want of memory"
	}
	c.logs.Note("[kit] the container has ended: " + note)
	c.mu.Lock()
	c.status = status
	c.mu.Unlock()
	close(exited)
}

// Ready waits until the probe succeeds. It fails at once when the container exits, with the last lines that it wrote.
func (c *Container) Ready(ctx context.Context) error {
	c.mu.Lock()
	exited, probe, started := c.exited, c.probe, c.current != nil
	c.mu.Unlock()
	if !started {
		return fmt.Errorf("%s: %w", c.config.Ref, target.ErrNotRunning)
	}
	if probe == nil {
		return nil
	}
	if err := target.Await(ctx, probe, exited); err != nil {
		return fmt.Errorf("%s: %w%s", c.config.Ref, err, c.logs.Tail(10))
	}
	return nil
}

// Signal asks the target for an orderly stop, by SIGTERM or what its image says, and returns at once.
func (c *Container) Signal() error {
	c.mu.Lock()
	stop := c.stop
	c.mu.Unlock()
	return c.end(context.Background(), stop)
}

// Interrupt asks for an orderly stop as a terminal does (SIGINT) and returns at once.
func (c *Container) Interrupt() error { return c.end(context.Background(), "SIGINT") }

// Wait waits for the exit, which then counts as asked for.
func (c *Container) Wait(ctx context.Context) (int, error) {
	c.mu.Lock()
	started := c.current != nil
	c.asked = started
	c.mu.Unlock()
	if !started {
		return 0, fmt.Errorf("%s: %w", c.config.Ref, target.ErrNotRunning)
	}
	return c.wait(ctx)
}

// Stop asks for an orderly stop and waits for the exit.
func (c *Container) Stop(ctx context.Context) (int, error) {
	if err := c.Signal(); err != nil {
		return 0, err
	}
	return c.wait(ctx)
}

// Kill ends the container at once and waits for the exit.
func (c *Container) Kill(ctx context.Context) error {
	if err := c.end(ctx, "SIGKILL"); err != nil {
		return err
	}
	_, err := c.wait(ctx)
	return err
}

// Close ends the container if it runs, orderly within ctx and by force after that, and removes it.
func (c *Container) Close(ctx context.Context) {
	_, err := c.Stop(ctx)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removePatience)
	defer cancel()
	if err != nil && !errors.Is(err, target.ErrNotRunning) {
		_ = c.Kill(ctx) // removal is by force
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(ctx)
}

// removePatience bounds the removal of a container.
const removePatience = 20 * time.Second

// remove removes the container of the latest launch, with its volumes. What cannot be removed is found by its label later.
func (c *Container) remove(ctx context.Context) {
	if c.current != nil {
		_, _ = c.docker.Client().ContainerRemove(ctx, c.current.GetContainerID(), client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		c.current = nil
	}
}

func (c *Container) end(ctx context.Context, signal string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.exited:
		return fmt.Errorf("%s: %w", c.config.Ref, target.ErrNotRunning)
	default:
	}
	c.asked = true
	_, err := c.docker.Client().ContainerKill(ctx, c.current.GetContainerID(), client.ContainerKillOptions{Signal: signal})
	// A container that has ended meanwhile cannot be sent a signal, which is what the signal was for.
	if err != nil && !errdefs.IsConflict(err) && !errdefs.IsNotFound(err) {
		return fmt.Errorf("%s to %s: %w", signal, c.config.Ref, err)
	}
	return nil
}

func (c *Container) wait(ctx context.Context) (int, error) {
	select {
	case <-c.Exited():
		c.mu.Lock()
		defer c.mu.Unlock()
		return int(c.status), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("%s still runs: %w%s", c.config.Ref, context.Cause(ctx), c.logs.Tail(10))
	}
}

// Exited returns a channel that is closed when the container that runs now (or ran last) is gone.
func (c *Container) Exited() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.exited
}

// Running reports whether the container runs.
func (c *Container) Running() bool {
	select {
	case <-c.Exited():
		return false
	default:
		return true
	}
}

// Crash tells whether the container ended without having been asked to, and how, with the last lines that it wrote.
func (c *Container) Crash() (string, bool) {
	c.mu.Lock()
	started, asked, status := c.current != nil, c.asked, c.status
	c.mu.Unlock()
	if !started || asked || c.Running() {
		return "", false
	}
	return fmt.Sprintf("%s ended by itself (exit status %d)%s", c.config.Ref, status, c.logs.Tail(20)), true
}

// Logs returns the last n lines that the target wrote, all that are kept when n <= 0.
func (c *Container) Logs(n int) []string { return c.logs.Last(n) }

// Said returns what the target wrote since it was launched last, of what is kept.
func (c *Container) Said() string { return strings.Join(c.logs.Since(), "\n") }

// ID returns the id of the latest container; empty before the first launch.
func (c *Container) ID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil {
		return ""
	}
	return c.current.GetContainerID()
}

// Direct returns where a published address leads to: the container's own address and port, since the engine accepts connections to a published port before
// anything listens on it. Other addresses are returned as they are.
func (c *Container) Direct(address string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for inside, published := range c.config.Published {
		if address == target.Loopback(published) && c.address.IsValid() {
			return netip.AddrPortFrom(c.address, uint16(inside)).String() //nolint:gosec // ports are checked where they are declared
		}
	}
	return address
}

// Address returns the container's own network address; empty with the host's network.
func (c *Container) Address() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.address.IsValid() {
		return ""
	}
	return c.address.String()
}

// maxSaid bounds what is read of what a command wrote.
const maxSaid = 64 << 10

// Succeeds runs command in the container.
func (c *Container) Succeeds(ctx context.Context, command []string) error {
	c.mu.Lock()
	current := c.current
	c.mu.Unlock()
	if current == nil {
		return fmt.Errorf("%s: %w", c.config.Ref, target.ErrNotRunning)
	}
	status, said, err := current.Exec(ctx, command, exec.Multiplexed())
	if err != nil {
		return fmt.Errorf("%q in %s: %w", command, c.config.Ref, err)
	}
	if status != 0 {
		var text bytes.Buffer
		_, _ = io.Copy(&text, io.LimitReader(said, maxSaid)) // half an explanation is better than none
		return fmt.Errorf("%q in %s: exit status %d; it said: %s", command, c.config.Ref, status, strings.TrimSpace(text.String()))
	}
	return nil
}

// ours returns the labels of all that this process starts.
func ours() map[string]string {
	labels := map[string]string{label: ""}
	if cell := os.Getenv(target.CellMarker); cell != "" {
		labels[label] = cell
	}
	return labels
}
