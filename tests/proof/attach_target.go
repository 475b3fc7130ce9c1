package main

// #include <stdlib.h>
import "C"
import ("fmt"; "os"; "os/signal"; "syscall"; "time")

func main() {
    asked := make(chan os.Signal, 1)
    signal.Notify(asked, syscall.SIGUSR1)
    go func() { <-asked; fmt.Println("fine"); os.Exit(0) }()
    fmt.Println("ready")
    kept := make([][]byte, 64)
    if os.Args[1] == "hung" { select {} }
    for n := 0; ; n++ {
        if os.Args[1] == "sleeping" { time.Sleep(time.Second) }
        if os.Args[1] == "storm" { kept[n % 64] = make([]byte, n % 50000); C.free(C.malloc(C.size_t(n % 5000))) }
    }
}
