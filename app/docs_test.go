package app

import (
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// docFiles returns all documentation pages of the repository.
func docFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && entry.Name() != ".." {
			return filepath.SkipDir
		}
		if filepath.Ext(path) == ".md" {
			files = append(files, filepath.ToSlash(path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

var (
	docLink    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	docHeading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notInSlug  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	docCode    = regexp.MustCompile("(?s)```.*?```")
)

// docAnchors returns the anchors that GitHub gives a page's headings.
func docAnchors(text string) map[string]bool {
	anchors := map[string]bool{}
	for _, heading := range docHeading.FindAllStringSubmatch(docCode.ReplaceAllString(text, ""), -1) {
		slug := notInSlug.ReplaceAllString(strings.ToLower(heading[1]), "")
		anchors[strings.ReplaceAll(slug, " ", "-")] = true
	}
	return anchors
}

func TestDocsLinkToWhatExists(t *testing.T) {
	t.Parallel()
	for _, file := range docFiles(t) {
		text := readDoc(t, file)
		for _, link := range docLink.FindAllStringSubmatch(docCode.ReplaceAllString(text, ""), -1) {
			if strings.Contains(link[1], "://") {
				continue
			}
			path, anchor, _ := strings.Cut(link[1], "#")
			target := file
			if path != "" {
				target = filepath.Join(filepath.Dir(file), path)
			}
			if _, err := os.Stat(target); err != nil || strings.HasPrefix(target, filepath.Join("..", "..")) {
				t.Errorf("%s links to %s, which is not in the repository", file, link[1])
				continue
			}
			if anchor != "" && !docAnchors(readDoc(t, target))[anchor] {
				t.Errorf("%s links to %s, and %s has no such heading", file, link[1], target)
			}
		}
	}
}

// TestDocsIndexNamesEveryPage keeps docs/README.md complete.
func TestDocsIndexNamesEveryPage(t *testing.T) {
	t.Parallel()
	index := map[string]bool{}
	for _, link := range docLink.FindAllStringSubmatch(readDoc(t, "../docs/README.md"), -1) {
		index[filepath.Join("..", "docs", link[1])] = true
	}
	for _, file := range docFiles(t) {
		if strings.HasPrefix(file, "../docs/") && file != "../docs/README.md" && !index[filepath.FromSlash(file)] {
			t.Errorf("docs/README.md has no link to %s", file)
		}
	}
}

// TestDocsListEverySetting checks that docs/configuration.md has a row with the default for each setting.
func TestDocsListEverySetting(t *testing.T) {
	t.Parallel()
	defaults := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\| ([^|]+) \\|").FindAllStringSubmatch(readDoc(t, "../docs/configuration.md"), -1) {
		defaults[row[1]] = row[2]
	}
	for field := range reflect.TypeFor[Config]().Fields() {
		name, want := field.Tag.Get("env"), field.Tag.Get("default")
		got, ok := defaults[name]
		if !ok || want != "" && got != "`"+want+"`" {
			t.Errorf("docs/configuration.md has the default %q for %s, which is %q", got, name, want)
		}
	}
}

// TestDocsNameFilesThatExist checks paths in back quotes that begin with a directory of the repository.
func TestDocsNameFilesThatExist(t *testing.T) {
	t.Parallel()
	quoted := regexp.MustCompile("`([\\w.*-]+/[\\w./*-]*)`")
	for _, file := range docFiles(t) {
		for _, path := range quoted.FindAllStringSubmatch(readDoc(t, file), -1) {
			top, _, _ := strings.Cut(path[1], "/")
			if _, err := os.Stat(filepath.Join("..", top)); err != nil || strings.Contains(path[1], "YYYY") {
				continue
			}
			if found, err := filepath.Glob(filepath.Join("..", path[1])); err != nil || len(found) == 0 {
				t.Errorf("%s names %s, which is not in the repository", file, path[1])
			}
		}
	}
}

func readDoc(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
