"""Operations that share workflow ids, with all policies, and foreign executions under the same ids."""
