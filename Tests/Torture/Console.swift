import Glibc

/// Lines for people, at once also when they go to a file or a pipe.
enum Console {
    static func say(_ line: String) {
        print(line)
        fflush(nil)
    }

    /// Says on standard error why nothing was run, and ends.
    static func refuse(_ line: String) -> Never {
        let bytes = Array((line + "\n").utf8)
        _ = write(2, bytes, bytes.count)
        exit(2)
    }
}
