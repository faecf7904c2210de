// SPDX-License-Identifier: Apache-2.0

// Writes the reference of the Go package in a folder as a page of the site: what `go doc -all` says, with headings
// and links.
//
//	go run site/go_reference.go FOLDER IMPORT_PATH
package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/format"
	"go/parser"
	"go/token"
	"log"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: go_reference FOLDER IMPORT_PATH")
	}
	names, err := filepath.Glob(filepath.Join(os.Args[1], "*.go"))
	if err != nil {
		log.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			log.Fatal(err)
		}
		files = append(files, file)
	}
	pkg, err := doc.NewFromFiles(fset, files, os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	(&page{fset, pkg}).write()
}

type page struct {
	fset *token.FileSet
	*doc.Package
}

func (p *page) write() {
	fmt.Printf("# Package %s\n\n", p.Name)
	p.code(fmt.Sprintf("import %q", p.ImportPath))
	p.text(p.Doc)
	p.examples(p.Examples)
	if len(p.Consts)+len(p.Vars) > 0 {
		fmt.Printf("## Constants and variables\n\n")
		p.values(p.Consts)
		p.values(p.Vars)
	}
	for _, f := range p.Funcs {
		p.function("##", f)
	}
	for _, t := range p.Types {
		fmt.Printf("## type %s {#%s}\n\n", t.Name, t.Name)
		p.declaration(t.Decl)
		p.text(t.Doc)
		p.examples(t.Examples)
		p.values(t.Consts)
		p.values(t.Vars)
		for _, f := range append(t.Funcs, t.Methods...) {
			p.function("###", f)
		}
	}
}

func (p *page) function(level string, f *doc.Func) {
	name := f.Name
	if f.Recv != "" {
		name = strings.TrimLeft(f.Recv, "*") + "." + f.Name
	}
	fmt.Printf("%s func %s {#%s}\n\n", level, name, name)
	p.declaration(f.Decl)
	p.text(f.Doc)
	p.examples(f.Examples)
}

func (p *page) values(values []*doc.Value) {
	for _, v := range values {
		for _, name := range v.Names {
			fmt.Printf("<a id=%q></a>", name)
		}
		fmt.Printf("\n\n")
		p.declaration(v.Decl)
		p.text(v.Doc)
	}
}

func (p *page) examples(examples []*doc.Example) {
	for _, e := range examples {
		fmt.Printf("Example:\n\n")
		code := p.format(e.Code)
		if block, ok := e.Code.(*ast.BlockStmt); ok {
			code = p.format(block.List)
		}
		p.code(code)
	}
}

func (p *page) declaration(node ast.Node) {
	p.code(p.format(node))
}

func (p *page) format(node any) string {
	var text bytes.Buffer
	if err := format.Node(&text, p.fset, node); err != nil {
		log.Fatal(err)
	}
	return text.String()
}

func (p *page) code(text string) {
	fmt.Printf("```go\n%s\n```\n\n", text)
}

func (p *page) text(text string) {
	printer := p.Printer()
	printer.HeadingLevel = 2
	printer.HeadingID = func(*comment.Heading) string { return "" }
	printer.DocLinkURL = func(link *comment.DocLink) string {
		if link.ImportPath != "" {
			return link.DefaultURL("https://pkg.go.dev")
		}
		return link.DefaultURL("")
	}
	fmt.Printf("%s\n", printer.Markdown(p.Parser().Parse(text)))
}
