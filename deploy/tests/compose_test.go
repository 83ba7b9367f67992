package tests

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// compose reads compose.yaml as docker compose does, with these variables set in the shell.
func compose(t *testing.T, env ...string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(repository, "compose.yaml")},
		cli.WithEnv(env), cli.WithResolvedPaths(true))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// settingsOf are the settings of the gateway in compose.yaml, as the container gets them.
func settingsOf(service types.ServiceConfig) []string {
	var env []string
	for name, value := range service.Environment {
		if value != nil {
			env = append(env, name+"="+*value)
		}
	}
	slices.Sort(env)
	// The image listens beyond the container: without these two there would be nothing to reach.
	return append(env, "GATEWAY_LISTEN=:8080")
}

// The gateway of compose.yaml starts as the demo, and takes a key with tokens from the shell.
func TestComposeSettings(t *testing.T) {
	for name, test := range map[string]struct {
		env  []string
		want string // in what the gateway prints; empty: it starts
	}{
		"demo":               {nil, ""},
		"key and tokens":     {[]string{"REVOX_API_KEY=key", "GATEWAY_TOKENS=a-token-of-32-bytes-0123456789abcd"}, ""},
		"key without tokens": {[]string{"REVOX_API_KEY=key"}, "GATEWAY_TOKENS"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := gateway(t, settingsOf(compose(t, test.env...).Services["gateway"]), "--check")
			if (err == nil) != (test.want == "") || !strings.Contains(out, test.want) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// The gateway's container has the memory that docs/operations.md recommends, as the pods have.
func TestComposeMemory(t *testing.T) {
	if limit := compose(t).Services["gateway"].MemLimit; limit != 1<<30 {
		t.Errorf("the memory limit is %d bytes", limit)
	}
}

// The health check of compose.yaml is a command that the gateway has.
func TestComposeHealth(t *testing.T) {
	check := compose(t).Services["gateway"].HealthCheck.Test
	if out, err := gateway(t, []string{"GATEWAY_LISTEN=127.0.0.1:1"}, check[2:]...); err == nil ||
		!strings.Contains(out, "http://127.0.0.1:1/healthz: ") {
		t.Errorf("%s: %v: %s", check, err, out)
	}
}

// What the services mount exists, and nothing is reached from other machines.
func TestComposeServices(t *testing.T) {
	for name, service := range compose(t).Services {
		for _, volume := range service.Volumes {
			if info, err := os.Stat(volume.Source); err != nil || info.IsDir() {
				t.Errorf("%s mounts %s, which is no file: %v", name, volume.Source, err)
			}
		}
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes port %s at %q", name, port.Published, port.HostIP)
			}
		}
		if _, tag, found := strings.Cut(service.Image, ":"); service.Build == nil && (!found || tag == "latest") {
			t.Errorf("%s has the image %s, without a version", name, service.Image)
		}
	}
}

// Prometheus reads the metrics where the gateway has them, and Grafana reads Prometheus.
func TestComposeMetrics(t *testing.T) {
	project := compose(t)
	_, port, err := net.SplitHostPort(*project.Services["gateway"].Environment["GATEWAY_METRICS_LISTEN"])
	if err != nil {
		t.Fatal(err)
	}
	var prometheus struct {
		Scrapes []struct {
			Static []struct {
				Targets []string `yaml:"targets"`
			} `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "deploy/compose/prometheus.yml")), &prometheus); err != nil {
		t.Fatal(err)
	}
	if len(prometheus.Scrapes) != 1 || len(prometheus.Scrapes[0].Static) != 1 ||
		!slices.Equal(prometheus.Scrapes[0].Static[0].Targets, []string{"gateway:" + port}) {
		t.Errorf("Prometheus reads %+v, and the metrics are at gateway:%s", prometheus, port)
	}
	var grafana struct {
		Sources []struct {
			Type string `yaml:"type"`
			URL  string `yaml:"url"`
		} `yaml:"datasources"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "deploy/compose/grafana/datasource.yml")), &grafana); err != nil {
		t.Fatal(err)
	}
	if len(grafana.Sources) != 1 || grafana.Sources[0].Type != "prometheus" ||
		grafana.Sources[0].URL != "http://prometheus:9090" {
		t.Errorf("Grafana reads %+v", grafana.Sources)
	}
}
