enum MemoryBenchmark {
    static func run(_ workspace: Workspace) throws {}
}
