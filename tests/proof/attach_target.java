public class Main {
    static class Node { int value; }
    public static void main(String[] arguments) throws Exception {
        sun.misc.Signal.handle(new sun.misc.Signal("USR2"), signal -> {
            System.out.println("fine");
            Runtime.getRuntime().halt(0);
        });
        byte[][] kept = new byte[64][];
        Node nothing = arguments.length > 5 ? new Node() : null;
        System.out.println("ready");
        for (long n = 0; ; n++) {
            if (arguments[0].equals("sleeping"))
                Thread.sleep(1000);
            if (arguments[0].equals("hung"))
                new java.util.concurrent.Semaphore(0).acquire();
            if (arguments[0].equals("storm"))
                kept[(int) (n & 63)] = new byte[(int) (n % 50000) + 1];
            try { n += nothing.value; } catch (NullPointerException e) { n--; }
        }
    }
}
