package container

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"

	"github.com/stateful-serverless/cloudstate/tck/target"
)

// Errors that callers tell apart.
var (
	// ErrNoEngine: no Docker engine answers.
	ErrNoEngine = errors.New("no Docker engine answers: start one (ci/docker.sh start does), or set DOCKER_HOST")
	// ErrNoImage: the image is not there.
	ErrNoImage = errors.New("there is no such image on this machine, and the kit fetches none unless it is declared with pull: true")
)

// label is what every container of the kit has; its value is that of the cell's marker.
const label = "cloudstate.tck.cell"

// engine returns the local Docker engine. The library's own settings come from the environment; two of them are set unless they are there: it shall start no
// container of its own to clean up after us, and this process shares the machine with the engine even where it looks like a container itself.
var engine = sync.OnceValues(func() (*testcontainers.DockerProvider, error) {
	for name, value := range map[string]string{"TESTCONTAINERS_RYUK_DISABLED": "true", "TESTCONTAINERS_HOST_OVERRIDE": "127.0.0.1"} {
		if os.Getenv(name) == "" {
			if err := os.Setenv(name, value); err != nil {
				return nil, err
			}
		}
	}
	log.SetDefault(noLogger{})
	provider, err := testcontainers.NewDockerProvider(testcontainers.WithLogger(noLogger{}))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoEngine, err)
	}
	return provider, nil
})

// noLogger is for a library that tells stories.
type noLogger struct{}

func (noLogger) Printf(string, ...any) {}

// request says what the engine is to run.
func (c *Container) request(env []string) testcontainers.ContainerRequest {
	options := c.config.Ref.Settings()
	values := map[string]string{}
	for _, entry := range slices.Concat(c.config.Env, env) {
		name, value, _ := strings.Cut(entry, "=")
		values[name] = value
	}
	// Named, since the library would otherwise publish what the image exposes, for the whole network.
	var exposed []string
	for inside := range c.config.Published {
		exposed = append(exposed, port(inside).String())
	}
	return testcontainers.ContainerRequest{
		Image: c.image, Env: values, Cmd: options.Command, Labels: ours(), ExposedPorts: exposed,
		HostConfigModifier: func(host *container.HostConfig) { c.modify(host, options) },
	}
}

// modify sets what of this machine the container gets.
func (c *Container) modify(host *container.HostConfig, options target.Options) {
	if options.Network == target.Host {
		host.NetworkMode = "host"
	} else {
		host.NetworkMode = "bridge"
	}
	host.PortBindings = network.PortMap{}
	for inside, published := range c.config.Published {
		host.PortBindings[port(inside)] = []network.PortBinding{{HostIP: netip.AddrFrom4([4]byte{127, 0, 0, 1}), HostPort: strconv.Itoa(published)}}
	}
	if c.config.Data != "" && !slices.Contains(options.Writable, c.config.DataInside) {
		host.Binds = append(host.Binds, c.config.Data+":"+c.config.DataInside)
	}
	limits := options.Limits
	if limits.Memory > 0 {
		host.Memory, host.MemorySwap = int64(limits.Memory), int64(limits.Memory)
	}
	if limits.Pids > 0 {
		host.PidsLimit = &limits.Pids
	}
	host.NanoCPUs = int64(limits.CPUs * 1e9)
	if limits.Disk > 0 {
		host.ReadonlyRootfs = true
		host.Tmpfs = map[string]string{}
		for _, dir := range options.Writable {
			host.Tmpfs[dir] = fmt.Sprintf("size=%d,mode=1777", limits.Disk)
		}
	}
	// What a program writes is kept by us; the engine's own copy must not fill the disk.
	host.LogConfig = container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "10m", "max-file": "2"}}
}

func port(number int) network.Port {
	return network.MustParsePort(strconv.Itoa(number) + "/tcp")
}

// imageOf returns the image of ref: the one that it names if it is there or may be fetched, or the one that its Dockerfile makes.
func imageOf(ctx context.Context, docker *testcontainers.DockerProvider, ref target.Ref) (string, error) {
	if ref.Scheme == target.Dockerfile {
		return build(ctx, docker, ref)
	}
	_, err := docker.Client().ImageInspect(ctx, ref.Value)
	switch {
	case errdefs.IsNotFound(err) && !ref.Settings().Pull:
		return "", ErrNoImage
	case err != nil && !errdefs.IsNotFound(err):
		return "", fmt.Errorf("%w: %w", ErrNoEngine, err)
	}
	return ref.Value, nil
}

// built are the images that this process has built, by the path of their Dockerfile.
var built struct {
	sync.Mutex
	images map[string]string
}

func build(ctx context.Context, docker *testcontainers.DockerProvider, ref target.Ref) (string, error) {
	file := filepath.Join(ref.Settings().Dir, ref.Value)
	if filepath.IsAbs(ref.Value) {
		file = ref.Value
	}
	context := filepath.Dir(file)
	if options := ref.Settings(); options.Context != "" {
		if context = options.Context; !filepath.IsAbs(context) {
			context = filepath.Join(options.Dir, context)
		}
	}
	inside, err := filepath.Rel(context, file)
	if err != nil || strings.HasPrefix(inside, "..") {
		return "", fmt.Errorf("the Dockerfile %s is not in its context %s", file, context)
	}
	built.Lock()
	defer built.Unlock()
	if image, ok := built.images[file]; ok {
		return image, nil
	}
	image, err := docker.BuildImage(ctx, &testcontainers.ContainerRequest{FromDockerfile: testcontainers.FromDockerfile{
		Context: context, Dockerfile: inside, Repo: "cloudstate-tck", Tag: tag(file), KeepImage: true,
	}})
	if err != nil {
		return "", fmt.Errorf("building %s: %w", file, err)
	}
	if built.images == nil {
		built.images = map[string]string{}
	}
	built.images[file] = image
	return image, nil
}

// tag makes of a path the tag of the image that is built from it, so that the next build replaces it.
func tag(path string) string {
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '_'
	}, strings.Trim(path, "/"))
	const longest = 120
	if len(clean) > longest {
		clean = clean[len(clean)-longest:]
	}
	return strings.TrimLeft(clean, "-")
}

// Gateway returns the address of this machine on the network of bridged containers: what listens there is reached by them.
func Gateway(ctx context.Context) (string, error) {
	docker, err := engine()
	if err != nil {
		return "", err
	}
	seen, err := docker.Client().NetworkInspect(ctx, "bridge", client.NetworkInspectOptions{})
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoEngine, err)
	}
	for _, config := range seen.Network.IPAM.Config {
		if config.Gateway.Is4() {
			return config.Gateway.String(), nil
		}
	}
	return "", errors.New("the network bridge of the Docker engine has no gateway: declare the proxy with network: host")
}

// Image returns the id of a local image, which changes with its content.
func Image(ctx context.Context, name string) (string, error) {
	docker, err := engine()
	if err != nil {
		return "", err
	}
	seen, err := docker.Client().ImageInspect(ctx, name)
	if errdefs.IsNotFound(err) {
		return "", fmt.Errorf("image:%s: %w", name, ErrNoImage)
	}
	return seen.ID, err
}

// Remove removes every container that a cell has left behind, by the value of its marker, and returns how many there were.
func Remove(ctx context.Context, cell string) (int, error) {
	docker, err := engine()
	if err != nil {
		return 0, err
	}
	api := docker.Client()
	left, err := api.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: client.Filters{}.Add("label", label+"="+cell)})
	if err != nil {
		return 0, err
	}
	for _, one := range left.Items {
		if _, err := api.ContainerRemove(ctx, one.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true}); err != nil && !errdefs.IsNotFound(err) {
			return 0, err
		}
	}
	return len(left.Items), nil
}
