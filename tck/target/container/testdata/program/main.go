// Command program is a target that behaves as its arguments say, for the tests of package container.
package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	switch os.Args[1] {
	case "serve": // until SIGTERM; each launch adds a line to /data/launches
		file, err := os.OpenFile("/data/launches", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		must(err)
		_, err = fmt.Fprintln(file, os.Getenv("NAME"))
		must(err)
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, syscall.SIGTERM)
		listener, err := net.Listen("tcp", "0.0.0.0:8080")
		must(err)
		fmt.Println("serving", os.Getenv("NAME"))
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				_, _ = fmt.Fprintln(conn, "hello")
				_ = conn.Close()
			}
		}()
		<-asked
		fmt.Println("bye")
		os.Exit(4)
	case "crash":
		fmt.Println("out of luck")
		os.Exit(9)
	case "hang": // and does not heed SIGTERM
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("hanging")
		select {}
	case "fork": // until no more processes are allowed
		for i := 0; ; i++ {
			if err := exec.Command("/program", "hang").Start(); err != nil {
				fmt.Println("forked", i, err)
				select {}
			}
		}
	case "flood":
		for {
			fmt.Println(strings.Repeat("x", 8192))
		}
	case "eat": // memory
		var all [][]byte
		for {
			block := make([]byte, 1<<20)
			for i := 0; i < len(block); i += 4096 {
				block[i] = 1
			}
			all = append(all, block)
		}
	case "fill": // the disk
		file, err := os.Create("/scratch/file")
		must(err)
		written := 0
		for {
			n, err := file.Write(make([]byte, 1<<20))
			written += n
			if err != nil {
				fmt.Println("filled after", written>>20, "MiB:", err)
				break
			}
		}
		if _, err := os.Create("/elsewhere"); err != nil {
			fmt.Println("elsewhere:", err)
		}
	case "yes":
	case "no":
		fmt.Println("no, thanks")
		os.Exit(3)
	}
}

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
