package eventspec

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"go.yaml.in/yaml/v3"
)

// yamlBytesMost limits the size of a YAML document as JSON with all aliases expanded. A few hundred bytes of YAML can
// expand to terabytes.
const yamlBytesMost = 4 << 20

// YAMLToJSON converts YAML to the equivalent JSON. It reads scalars by the rules of YAML 1.2, because OpenAPI
// requires that: the keys y and on remain strings, and so does a date. sigs.k8s.io/yaml, which reads the contract,
// would turn these keys into booleans and expand aliases without limiting their size.
func YAMLToJSON(text string) (json.RawMessage, error) {
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		return nil, err
	}
	if len(document.Content) == 0 {
		return nil, errors.New("the document is empty")
	}
	d := yamlDecoder{left: yamlBytesMost}
	value, err := d.value(document.Content[0], 0)
	if err != nil {
		return nil, err
	}
	return json.Marshal(value)
}

type yamlDecoder struct{ left int }

const yamlDepthMost = 1000

func (d *yamlDecoder) value(n *yaml.Node, depth int) (any, error) {
	if d.left -= len(n.Value) + 1; d.left < 0 {
		return nil, fmt.Errorf("line %d: the document exceeds %d bytes with its aliases expanded", n.Line, yamlBytesMost)
	}
	if depth > yamlDepthMost { // this also stops an alias inside its own anchor
		return nil, fmt.Errorf("line %d: the document is nested more than %d levels deep", n.Line, yamlDepthMost)
	}
	switch n.Kind {
	case yaml.AliasNode:
		return d.value(n.Alias, depth+1)
	case yaml.MappingNode:
		return d.mapping(n, depth)
	case yaml.SequenceNode:
		items := []any{}
		for _, child := range n.Content {
			item, err := d.value(child, depth+1)
			if err != nil {
				return nil, err
			}
			items = append(items, item)
		}
		return items, nil
	default:
		return yamlScalar(n)
	}
}

func (d *yamlDecoder) mapping(n *yaml.Node, depth int) (any, error) {
	object := make(map[string]any, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode || key.ShortTag() == "!!merge" {
			return nil, fmt.Errorf("line %d: a key must be a string or a number; merge keys are not supported", key.Line)
		}
		if _, twice := object[key.Value]; twice {
			return nil, fmt.Errorf("line %d: the key %.100q is given twice", key.Line, key.Value)
		}
		d.left -= len(key.Value)
		value, err := d.value(n.Content[i+1], depth+1)
		if err != nil {
			return nil, err
		}
		object[key.Value] = value
	}
	return object, nil
}

// yamlScalar returns a scalar as a JSON number, true, false or null, or otherwise as its unchanged text.
func yamlScalar(n *yaml.Node) (value any, err error) {
	switch n.ShortTag() {
	case "!!int", "!!float":
		if json.Valid([]byte(n.Value)) {
			return json.Number(n.Value), nil // keeps every digit
		}
		err = n.Decode(&value)
		if f, is := value.(float64); is && (math.IsInf(f, 0) || math.IsNaN(f)) {
			return nil, fmt.Errorf("line %d: JSON has no number %s", n.Line, n.Value)
		}
	case "!!bool", "!!null":
		err = n.Decode(&value)
	default:
		value = n.Value
	}
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", n.Line, err)
	}
	return value, nil
}
