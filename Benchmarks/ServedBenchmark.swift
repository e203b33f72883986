enum ServedBenchmark {
    static func run(_ workspace: Workspace) throws {}
}
