export declare const annotatePure: (name: string, text: string) => string
